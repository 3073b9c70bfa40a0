"""The tables of docs/results.md, from the results that `genret bench` stored, of one corpus or of a suite.

python benchmarks/markdown.py .bench/scifact/bench/scifact-seed0-steps200.json
python benchmarks/markdown.py .bench/suite-corpora.json
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

METRICS = {"official": ("HIT@4", "HIT@10", "MAP@10", "MRR@10"), "textbook": ("MRR@10", "nDCG@10", "Recall@10")}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """One result: the table of systems, the paired differences, the weights, and the cost."""
    metrics = METRICS[result["protocol"]]
    counts = (
        ", ".join(f"{result[name]} {name}" for name in ("queries", "passages", "steps")) + f", seed {result['seed']}"
    )
    yield f"## {result['dataset']} ({result['protocol']} scoring): {counts}\n"
    yield f"| system | {' | '.join(metrics)} |\n|---{'|---' * len(metrics)}|"
    for system, scores in result["systems"].items():
        yield f"| {system} | {' | '.join(f'{100 * scores[metric]:.1f}' for metric in metrics)} |"
    yield ""
    for pair, differences in result["paired"].items():
        intervals = ", ".join(
            f"{metric} {100 * mean:+.2f} [{100 * low:.2f}, {100 * high:.2f}]"
            for metric, (mean, low, high) in ((metric, differences[metric]) for metric in metrics)
        )
        yield f"- {pair.replace('-', ' minus ', 1)}: {intervals}"
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in result["fusion"].items() if weight)
    yield f"- weights of fusion: {weights}"
    mode, latency = result["release"]["default_mode"], result["latency"]
    median, encoder = (1000 * latency[name] for name in ("median_seconds", "median_encoder_seconds"))
    yield (
        f"- default mode {mode}; build {result['build_seconds']:.0f} s, peak memory {result['peak_memory_mb']} MB, "
        f"median search {median:.0f} ms on one core, {encoder:.0f} of them the encoder\n"
    )


def suite_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """A suite: the score of every system on each corpus, then hybrid minus each other one."""
    corpora, macro = result["corpora"], result["macro"]
    names = [f"{name} ({corpus['metric']})" for name, corpus in corpora.items()]
    yield f"| system | {' | '.join(names)} | macro |\n|---{'|---' * (len(names) + 1)}|"
    for system, value in macro["systems"].items():
        scores = [corpus["systems"][system] for corpus in corpora.values()]
        yield f"| {system} | {' | '.join(f'{100 * score:.1f}' for score in [*scores, value])} |"
    yield f"\n| hybrid minus | {' | '.join(corpora)} | macro |\n|---{'|---' * (len(names) + 1)}|"
    for pair, value in macro["paired"].items():
        intervals = [corpus["paired"][pair] for corpus in corpora.values()]
        cells = [f"{100 * mean:+.1f} [{100 * low:.1f}, {100 * high:.1f}]" for mean, low, high in [*intervals, value]]
        yield f"| {pair.partition('-')[2]} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        stored = json.loads(Path(name).read_text())
        print("\n".join((suite_lines if "corpora" in stored else lines)(stored)))
