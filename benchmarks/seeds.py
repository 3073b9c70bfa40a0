"""A data set over several seeds: one `genret bench` for each, and the mean and range of every system.

    python benchmarks/seeds.py FOLDER --home .bench/NAME --seeds 0 1 2

A seed whose result lies in the home is not measured again, so the command can be stopped and repeated. `dense_adapted`,
for which every passage is encoded again, is measured with the first seed only.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any


def result(folder: Path, home: Path, seed: int, adapted: bool) -> dict[str, Any]:
    """The result of one seed, read from the home or measured now."""
    kept = sorted((home / "bench").glob(f"*-seed{seed}-steps*.json"))
    if not kept:
        flags = ["--adapted"] if adapted else []
        command = ["bench", str(folder), "--seed", str(seed), *flags, "--home", str(home)]
        subprocess.run([sys.executable, "-m", "genret_ops.cli", *command], check=True)
        kept = sorted((home / "bench").glob(f"*-seed{seed}-steps*.json"))
    return dict(json.loads(kept[-1].read_text()))


def main() -> None:
    """Measure what is missing, then print means and ranges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    runs = [result(arguments.folder, arguments.home, seed, seed == arguments.seeds[0]) for seed in arguments.seeds]
    metrics = list(runs[0]["systems"]["hybrid"])
    print(f"{runs[0]['dataset']}, {runs[0]['steps']} steps, seeds {arguments.seeds}: mean (lowest to highest), in %")
    for system in runs[0]["systems"]:
        scores = {
            name: [100 * run["systems"][system][name] for run in runs if system in run["systems"]] for name in metrics
        }
        cells = (
            f"{name} {statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"
            for name, values in scores.items()
        )
        print(f"{system:22s}" + "  ".join(cells))
    for other in ("hybrid_without_model", "bm25_constraints", "generative"):
        for seed, run in zip(arguments.seeds, runs, strict=True):
            intervals = ", ".join(
                f"{name} {100 * mean:+.2f} [{100 * low:.2f}, {100 * high:.2f}]"
                for name, (mean, low, high) in run["paired"][f"hybrid-{other}"].items()
            )
            print(f"seed {seed}, hybrid minus {other}: {intervals}")


if __name__ == "__main__":
    main()
