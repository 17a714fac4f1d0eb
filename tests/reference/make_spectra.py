"""Writes spectra_quadrature.json: eigenvalues of the networks of spectra.json by quadrature, not by series.

lambda_k = E[K(t) P_k(t)], t the cosine of two random points of the sphere (Funk-Hecke), with K(t) from arc-cosine
formulas written out here, at 120 digits. Odd dim: Gauss-Legendre in t. Even dim: the trapezoidal rule in the
angle, which converges geometrically for analytic K. Run as `python tests/reference/make_spectra.py`; 1 minute.
"""

import json
from pathlib import Path

import mpmath as mp

HERE = Path(__file__).parent
NODES = 400
mp.mp.dps = 120
FRACTION = {"binary": mp.mpf(1) / 3, "ternary": mp.mpf(2) / 3}


def kernels(t, depth, r, W2, b2):
    """NTK and NNGP of depth ReLU layers and a real readout, at q = 1 (Cho & Saul 2009 for the expectations)."""
    q, m, k = mp.mpf(1), t, mp.mpf(0)
    for _ in range(depth):
        Q, M = W2 * q + b2, r * W2 * m + b2
        K = r * W2 * k + M
        theta = mp.acos(M / Q)
        q, m = Q / 2, (mp.sqrt(Q * Q - M * M) + (mp.pi - theta) * M) / (2 * mp.pi)
        k = (mp.pi - theta) / (2 * mp.pi) * K
    return k + m, m


def rule(dim):
    """Nodes t and weights of the uniform measure's cosine."""
    if dim % 2 == 0:
        angles = [mp.pi * (i + mp.mpf(1) / 2) / NODES for i in range(NODES)]
        return [mp.cos(a) for a in angles], [mp.sin(a) ** (dim - 2) for a in angles]
    nodes, weights = legendre(NODES)
    return nodes, [w * (1 - x * x) ** ((dim - 3) // 2) for x, w in zip(nodes, weights, strict=True)]


def legendre(count):
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, weights = [], []
    for i in range(count):
        x = mp.cos(mp.pi * (i + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
        for _ in range(9):
            before, now = mp.mpf(1), x
            for j in range(2, count + 1):
                before, now = now, ((2 * j - 1) * x * now - (j - 1) * before) / j
            slope = count * (x * now - before) / (x * x - 1)
            x -= now / slope
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope**2))
    return nodes, weights


def eigenvalues(case):
    dim, W, b = case["dim"], mp.mpf(case["W_std"]), mp.mpf(case["b_std"])
    nodes, weights = rule(dim)
    total = mp.fsum(weights)
    values = [kernels(t, case["depth"], FRACTION[case["weights"]], W * W, b * b) for t in nodes]
    result = {"ntk": [], "nngp": []}
    before, now = [mp.mpf(0)] * NODES, [mp.mpf(1)] * NODES
    for k in range(61):
        for name, column in (("ntk", 0), ("nngp", 1)):
            value = mp.fsum(w * v[column] * p for w, v, p in zip(weights, values, now, strict=True)) / total
            result[name].append("0.0" if abs(value) < mp.mpf(10) ** -100 else mp.nstr(value, 20))
        after = [
            ((2 * k + dim - 2) * t * p - k * o) / (k + dim - 2)
            for t, p, o in zip(nodes, now, before, strict=True)
        ]
        before, now = now, after
    return result


if __name__ == "__main__":
    cases = json.loads((HERE / "spectra.json").read_text())["cases"]
    made = [
        {**{k: v for k, v in case.items() if k not in ("ntk", "nngp")}, **eigenvalues(case)} for case in cases
    ]
    note = "Eigenvalues by degree 0..60 for q = 1, by quadrature at 120 digits (make_spectra.py); 20 digits."
    (HERE / "spectra_quadrature.json").write_text(json.dumps({"note": note, "cases": made}, indent=1) + "\n")
