"""What the flat trie costs beside a trie of Python dictionaries: `python benchmarks/trie.py`.

Both hold the same 100,000 random identifiers of four tokens (256 tokens in each position); a step is what a
position of a beam search needs: advance 80 beams by a token, then a mask over the vocabulary.
"""

import json
import time
import tracemalloc
from typing import Any

import numpy as np

from genret_ops.identifiers.trie import ROOT, Trie

IDENTIFIERS, LENGTH, TOKENS, BEAMS, REPEATS = 100_000, 4, 256, 80, 7


def random_identifiers(rng: np.random.Generator) -> list[list[int]]:
    """Distinct sequences; position d uses tokens d * TOKENS .. (d + 1) * TOKENS, as two-level codes do."""
    numbers = rng.choice(TOKENS**LENGTH, IDENTIFIERS, replace=False)
    digits = numbers[:, None] // TOKENS ** np.arange(LENGTH) % TOKENS
    return (digits + np.arange(LENGTH) * TOKENS).tolist()  # type: ignore[no-any-return]


def dictionary_trie(sequences: list[list[int]]) -> dict[int, Any]:
    """Nested dictionaries, one a node."""
    root: dict[int, Any] = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


def flat_walk(trie: Any, paths: np.ndarray) -> np.ndarray:
    """Masks of every step of `paths`, shape (BEAMS, LENGTH), through a `Trie` or an `AllowedSet`."""
    nodes = np.full(BEAMS, ROOT)
    for tokens in paths.T[:-1]:
        nodes = trie.advance(nodes, tokens)
        mask = trie.next_mask(nodes, LENGTH * TOKENS)
    return np.asarray(mask)


def dictionary_walk(root: dict[int, Any], paths: list[list[int]]) -> np.ndarray:
    """The same through nested dictionaries."""
    nodes = [root] * BEAMS
    for depth in range(LENGTH - 1):
        nodes = [node[path[depth]] for node, path in zip(nodes, paths, strict=True)]
        mask = np.zeros((BEAMS, LENGTH * TOKENS), dtype=bool)
        for row, node in enumerate(nodes):
            mask[row, list(node)] = True
    return mask


def fastest(call: Any, *arguments: Any) -> tuple[float, Any]:
    """Seconds of the fastest of `REPEATS` calls, and what the last returned."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        result = call(*arguments)
        times.append(time.perf_counter() - begun)
    return min(times), result


def main() -> None:
    """Print one JSON object of figures."""
    rng = np.random.default_rng(0)
    sequences = random_identifiers(rng)
    paths = [sequences[i] for i in rng.integers(0, IDENTIFIERS, BEAMS)]
    build, trie = fastest(Trie.build, sequences)
    tracemalloc.start()
    plain = dictionary_trie(sequences)
    plain_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    plain_build, _ = fastest(dictionary_trie, sequences)
    chosen = rng.choice(IDENTIFIERS, IDENTIFIERS // 100, replace=False)
    restrict, _ = fastest(trie.allowed, chosen)
    flat, mask = fastest(flat_walk, trie, np.array(paths))
    restricted, _ = fastest(flat_walk, trie.allowed(chosen), np.array(paths))
    nested, expected = fastest(dictionary_walk, plain, paths)
    assert (mask == expected).all()
    steps = LENGTH - 1
    figures = {
        "identifiers": IDENTIFIERS,
        "build_seconds": round(build, 3),
        "build_seconds_dictionaries": round(plain_build, 3),
        "bytes_per_identifier": round(trie.nbytes / IDENTIFIERS, 1),
        "bytes_per_identifier_dictionaries": round(plain_bytes / IDENTIFIERS, 1),
        "allowed_set_of_1_percent_ms": round(restrict * 1e3, 3),
        "step_ms": round(flat / steps * 1e3, 3),
        "step_ms_allowed_set": round(restricted / steps * 1e3, 3),
        "step_ms_dictionaries": round(nested / steps * 1e3, 3),
        "step_ratio": round(nested / flat, 2),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
