"""A data set over several seeds: one `genret bench` a seed, resumable, and the mean and spread of every system.

    python benchmarks/seeds.py FOLDER --home .bench/NAME --seeds 0 1 2

A seed whose result lies in the home is not measured again. `dense` and `dense_adapted` are measured with the first
seed only, since each encodes every passage once more.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any


def result(folder: Path, home: Path, seed: int, dense: bool) -> dict[str, Any]:
    """The result of one seed, measured now or found in the home."""
    kept = sorted((home / "bench").glob(f"*-seed{seed}-steps*.json"))
    if not kept:
        flag = "--dense" if dense else "--no-dense"
        command = ["bench", str(folder), "--seed", str(seed), flag, "--home", str(home)]
        subprocess.run([sys.executable, "-m", "genret_ops.cli", *command], check=True)
        kept = sorted((home / "bench").glob(f"*-seed{seed}-steps*.json"))
    return dict(json.loads(kept[-1].read_text()))


def main() -> None:
    """Measure what is missing, then print mean and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    runs = [result(given.folder, given.home, seed, seed == given.seeds[0]) for seed in given.seeds]
    metrics = list(runs[0]["systems"]["hybrid"])
    print(f"{runs[0]['dataset']}, {runs[0]['steps']} steps, seeds {given.seeds}: mean (lowest to highest), in %")
    for system in runs[0]["systems"]:
        found = {
            name: [100 * run["systems"][system][name] for run in runs if system in run["systems"]] for name in metrics
        }
        cells = (f"{name} {statistics.mean(v):.1f} ({min(v):.1f} to {max(v):.1f})" for name, v in found.items())
        print(f"{system:22s}" + "  ".join(cells))
    for other in ("hybrid_without_model", "bm25_constraints", "generative"):
        for seed, run in zip(given.seeds, runs, strict=True):
            told = ", ".join(
                f"{name} {100 * mean:+.2f} [{100 * low:.2f}, {100 * high:.2f}]"
                for name, (mean, low, high) in run["paired"][f"hybrid-{other}"].items()
            )
            print(f"seed {seed}, hybrid minus {other}: {told}")


if __name__ == "__main__":
    main()
