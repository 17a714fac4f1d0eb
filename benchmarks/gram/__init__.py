"""Large Gram matrices: ours, the limits of the machine, and other libraries, interleaved in one run.

    python -m benchmarks.gram [--quick | --full] [--only TEXT] [--rounds 5] [--json FILE] [--plot FILE]

Every line of the table is one kernel, n, d and dtype. In every round (one, where ours takes more than 5 s) each system
runs once, and the order turns from round to round; a ratio is the median over the rounds of the ratio within a round,
so that load which comes and goes meets both sides. Milliseconds are medians (lowest-highest). Peers run in processes of
their own, compiled and warm, with as many threads as ours, and sleep while another system runs. "out=" writes into a
warm array, as the limits do; "fresh" and the peers take their memory from the system.

Limits: `gemm` the full product X Y', `syrk` its lower triangle alone, `write` one value into all of the array.
"apart" is the largest difference between ours and the peer's off the diagonal; "error" is ours against the interpreter
(many digits) on the diagonal, at sampled pairs and at that worst one. Both are relative to |K(x, y)|, or to
sqrt(K(x, x) K(y, y)) where |K| is below a thousandth of it. Diagonals are not compared with the peer, whose own are
wrong by acos(1 - eps). neural-tangents knows no rounded weights: there it has a layer of ours that scales covariances.

`--quick` is n = 1,000; without an option n = 8,000, which the targets are stated for; `--full` is all sizes. The exit
code is 1 where a target is missed, listed below the table. A target whose size or peer took no part is not measured.
"""
