"""What the filters make of good queries: how many each refuses, how the round trip weighs them, what each bound costs.

    python benchmarks/filters.py HOME QUERIES [PEOPLE.jsonl ...]

`QUERIES` is what `synthesis.recorded` may name, about the documents of the home's newest snapshot. `PEOPLE.jsonl` are
queries of people, a line each with a `text`; of them, only what needs no passage is counted.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from genret_ops.registry.home import Home
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.synthesis.filters import (
    LEAST_WEIGHT,
    leaks_instruction,
    near_duplicates,
    needs_passage,
    round_trip_ranks,
)
from genret_ops.synthesis.generated import GeneratedQueries
from genret_ops.synthesis.queries import placed_queries, written_queries
from genret_ops.synthesis.recorded import read_recorded

BOUNDS = (0.7, 0.8, 0.85, 0.9, 0.95)
RANKS = (1, 3, 10, 20, 40, 100)


def near(texts: list[str]) -> str:
    """How many texts each bound of near-duplicates refuses."""
    return ", ".join(f"{bound}: {sum(first >= 0 for first in near_duplicates(texts, bound))}" for bound in BOUNDS)


def main(path: Path, queries: Path, people: list[Path]) -> None:
    """Print the counts and shares."""
    home = Home(path)
    newest = home.store.newest()
    assert newest is not None, "ingest the corpus first"
    index, recorded = open_or_make_index(home, newest, home.settings.retrieval), read_recorded(queries)
    placed = placed_queries(index.head, home.settings.retrieval, recorded)
    begun = time.perf_counter()
    filtered = written_queries(index.head, index.lexical, home.settings, recorded, GeneratedQueries())
    print(f"{len(placed)} queries, {len(filtered.kept)} kept, {time.perf_counter() - begun:.1f} s")
    for refusal in filtered.refused:
        print(f"  {refusal.generator}: {refusal.reason}: {refusal.count}, such as {refusal.examples}")
    ranks = round_trip_ranks(filtered.kept, index.lexical, index.head.live)
    shares = ", ".join(f"{rank}: {np.mean((ranks > 0) & (ranks <= rank)):.1%}" for rank in RANKS)
    print(f"passage by rank {shares}; no word shared: {np.mean(ranks == 0):.1%}")
    weights = np.array([query.weight for query in filtered.kept])
    full, least = np.mean(weights == 1), np.mean(weights == LEAST_WEIGHT)
    print(f"weight 1: {full:.1%}, {LEAST_WEIGHT}: {least:.1%}, mean {weights.mean():.3f}")
    print(f"near-duplicates by bound {near([query.text for query in placed])}")
    for file in people:
        texts = [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]
        leaks, phrases = (sum(map(fault, texts)) for fault in (lambda text: leaks_instruction(text, ""), needs_passage))
        print(f"{file}: {len(texts)} queries; leaks {leaks}, phrases {phrases}, near-duplicates {near(texts)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
