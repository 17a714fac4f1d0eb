"""Measure, print the table, judge it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import gram
from benchmarks.gram import report
from benchmarks.gram.growth import Curve, curves
from benchmarks.gram.lines import SIZES, SUBJECTS, Size
from benchmarks.gram.machine import fingerprint
from benchmarks.gram.measure import Row, measured
from benchmarks.gram.peers import ROOT, Peer, peers
from benchmarks.gram.targets import targets

ROUNDS = 5
"""The fewest whose median two disturbed rounds leave alone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(
        "benchmarks.gram", description=gram.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sizes = parser.add_mutually_exclusive_group()
    for name in ("quick", "full"):
        sizes.add_argument(f"--{name}", dest="size", action="store_const", const=name, default="usual")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="kernels whose names hold this text; no growth"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench" / "gram.json", metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="SVG or PNG; needs the extra `report`")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}.")
    if not any(options.only in subject.name for subject in SUBJECTS):
        parser.error(f"no kernel's name holds {options.only!r}: {'; '.join(one.name for one in SUBJECTS)}.")
    systems = peers()
    try:
        return run(SIZES[options.size], systems, options.rounds, options.json, options.plot, options.only)
    finally:
        for peer in systems.values():
            peer.close()


def run(
    size: Size, systems: dict[str, Peer], rounds: int, json: Path, plot: Path | None = None, only: str = ""
) -> int:
    """The whole run; the file is written after every line, so that an interrupted run leaves what it has."""
    rows: list[Row] = []
    grown: list[Curve] = []

    def save() -> None:
        machine = {**fingerprint(), "peers": {name: peer.versions for name, peer in systems.items()}}
        report.write_json(json, {**machine, "load_before": load}, rows, grown, targets(rows, grown))

    machine = fingerprint()
    load = machine["load"]
    print(", ".join(f"{name}: {value}" for name, value in machine.items()), f"\n\n{report.HEAD}", flush=True)
    for line in size.lines(only):
        rows.append(measured(line, systems[line.subject.peer], rounds))
        print(report.line(rows[-1]), flush=True)
        save()
    if not only:
        grown += curves(size, rounds)
        print(f"\n{report.growth(grown)}")
    save()
    judged = targets(rows, grown)
    print(
        "",
        *report.absences(rows),
        *report.extremes(rows),
        "",
        *report.verdicts(judged),
        "",
        f"written: {json}",
        sep="\n",
    )
    if plot is not None:
        report.plot(plot, rows, grown)
    return 1 if any(target.met is False for target in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
