"""What constrained decoding costs beside a trie of Python dictionaries: `python benchmarks/trie.py [identifiers ...]`.

Random identifiers of eight tokens of a vocabulary of 32,000 are written by ten beams, for one prompt and for eight.
`TrieLogitsProcessor` does so beside what transformers has for the purpose, `PrefixConstrainedLogitsProcessor` with a
`prefix_allowed_tokens_fn` that walks nested dictionaries; what both let through is compared. A step is the mean over
the nine tokens of an identifier with its end, since each search takes all nine; the first, where any token of the
vocabulary may follow, is also given apart. `trie` is what a direct beam search asks of the trie at each step, and
`allowed` the same within 1 % of the identifiers. Beyond a million there is no room for dictionaries.

Times are those of the processor, on one thread, so that other work on the machine counts little. By default 10,000 to
10,000,000 identifiers: minutes, and 6 GB of memory.
"""

import dataclasses
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.generation.logits_process import PrefixConstrainedLogitsProcessor

from genret_ops.identifiers.trie import ROOT, AllowedSet, Trie
from genret_ops.modeling.causal.decoding import TrieLogitsProcessor

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LARGEST_DICTIONARY = 1_000_000
LENGTH, VOCABULARY, END, BEAMS, PROMPT, REPEATS = 8, 32_000, 0, 10, 16, 9
STEPS = LENGTH + 1

Processor = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def dictionary_trie(rows: np.ndarray) -> dict[int, Any]:
    """Nested dictionaries, one a node; every identifier ends with END."""
    root: dict[int, Any] = {}
    for row in rows:
        node = root
        for token in row.tolist():
            node = node.setdefault(token, {})
        node[END] = None
    return root


def dictionary_processor(root: dict[int, Any]) -> Processor:
    """What transformers does with the dictionaries."""

    def allowed_tokens(_: int, sentence: torch.Tensor) -> list[int]:
        node = root
        for token in sentence[PROMPT:].tolist():
            node = node[token]
        return list(node)

    return PrefixConstrainedLogitsProcessor(allowed_tokens, BEAMS)  # type: ignore[no-any-return]


def written(rows: np.ndarray, prompts: int, rng: np.random.Generator) -> torch.Tensor:
    """Prompts and, for each beam, an identifier that exists, shape (prompts * BEAMS, PROMPT + LENGTH)."""
    chosen = rows[rng.integers(0, len(rows), prompts * BEAMS)]
    return torch.cat([torch.ones(len(chosen), PROMPT, dtype=torch.int64), torch.from_numpy(chosen).long()], dim=1)


def processor_steps(make: Callable[[], Processor], texts: Sequence[torch.Tensor], scores: torch.Tensor) -> np.ndarray:
    """Median seconds of each step."""
    seconds = np.empty((len(texts), STEPS))
    for text, row in zip(texts, seconds, strict=True):
        processor = make()
        for step in range(STEPS):
            begun = time.process_time()
            processor(text[:, : PROMPT + step], scores)
            row[step] = time.process_time() - begun
    return np.median(seconds, axis=0)


def check_equal(left: Processor, right: Processor, text: torch.Tensor, scores: torch.Tensor) -> None:
    """Stop if two processors let different tokens through."""
    for step in range(STEPS):
        written_so_far = text[:, : PROMPT + step]
        if not torch.equal(left(written_so_far, scores), right(written_so_far, scores)):
            raise SystemExit(f"the processors differ at step {step}")


def trie_steps(trie: Trie | AllowedSet, texts: Sequence[torch.Tensor]) -> np.ndarray:
    """Median seconds of each step of a direct beam search in the trie; the first is the same for all prompts."""
    seconds = np.empty((len(texts), STEPS))
    for text, row in zip(texts, seconds, strict=True):
        nodes = np.full(len(text), ROOT)
        for step in range(STEPS):
            begun = time.process_time()
            current = nodes[:1] if step == 0 else nodes
            trie.successors(current)
            row[step] = time.process_time() - begun
            if step < LENGTH:
                nodes = trie.advance(nodes, text[:, PROMPT + step])
    return np.median(seconds, axis=0)


def milliseconds(steps: np.ndarray) -> dict[str, float]:
    """Of a step in the mean, of the first, and of the later ones in the mean."""
    return {
        "step_ms": round(float(steps.mean()) * 1e3, 4),
        "first_ms": round(float(steps[0]) * 1e3, 4),
        "later_ms": round(float(steps[1:].mean()) * 1e3, 4),
    }


def measure(count: int) -> dict[str, Any]:
    """All figures of one number of identifiers."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, VOCABULARY, (count, LENGTH), dtype=np.int32)
    begun = time.process_time()
    built = Trie.build(rows)
    figures: dict[str, Any] = {
        "identifiers": count,
        "build_s": round(time.process_time() - begun, 3),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
        "mb_per_million": round(built.nbytes / count, 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        built.save(Path(folder))
        trie = Trie.load(Path(folder))
        for field in dataclasses.fields(trie):
            getattr(trie, field.name).max(initial=0)  # reads every page, as a service has after a while
        chosen = rng.choice(count, count // 100, replace=False)
        begun = time.process_time()
        allowed = trie.allowed(chosen)
        figures["allowed_set_ms"] = round((time.process_time() - begun) * 1e3, 2)
        root = None
        if count <= LARGEST_DICTIONARY:
            before, begun = resident(), time.process_time()
            root = dictionary_trie(rows)
            figures["dictionary_build_s"] = round(time.process_time() - begun, 3)
            figures["dictionary_mb_per_million"] = round((resident() - before) / count, 1)
        for prompts in (1, 8):
            texts = [written(rows, prompts, rng) for _ in range(REPEATS)]
            scores = torch.randn(prompts * BEAMS, VOCABULARY).log_softmax(dim=1)
            ours = processor_steps(lambda: TrieLogitsProcessor(trie, PROMPT, END, BEAMS), texts, scores)
            batch = figures[f"batch_{prompts}"] = {
                "processor": milliseconds(ours),
                "trie": milliseconds(trie_steps(trie, texts)),
                "allowed": milliseconds(trie_steps(allowed, [written(rows[chosen], prompts, rng) for _ in texts])),
            }
            if root is not None:
                theirs = processor_steps(lambda: dictionary_processor(root), texts, scores)
                check_equal(TrieLogitsProcessor(trie, PROMPT, END, BEAMS), dictionary_processor(root), texts[0], scores)
                batch["dictionary_processor"] = milliseconds(theirs)
                batch["times_faster"] = {
                    "step": round(float(theirs.mean() / ours.mean()), 1),
                    "first": round(float(theirs[0] / ours[0]), 1),
                    "later": round(float(theirs[1:].mean() / ours[1:].mean()), 1),
                }
    return figures


def main() -> None:
    """Print one JSON object of figures."""
    torch.set_num_threads(1)
    gc.disable()  # millions of dictionaries, none in a cycle
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    results = []
    for count in sizes:
        results.append(measure(count))
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    growth = {
        f"batch_{prompts}": {
            kind: round(
                results[-1][f"batch_{prompts}"][kind]["step_ms"] / results[0][f"batch_{prompts}"][kind]["step_ms"], 2
            )
            for kind in ("processor", "trie", "allowed")
        }
        for prompts in (1, 8)
    }
    print(json.dumps({"growth": growth, "sizes": results}, indent=1))


if __name__ == "__main__":
    main()
