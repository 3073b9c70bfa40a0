"""The rows of docids: frozen encodings of a passage's body and of its sentences.

A docid owns a run of rows, its body first, then its sentence anchors; runs stand in docid order. All rows of a
passage come from one pass of the genesis encoder over title, source and body: the body row pools every token,
an anchor those of its sentence, so an anchor knows its context and costs nothing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from genret_ops.modeling.encoder import Encoder
from genret_ops.records import text_hash
from genret_ops.store import EncodingCache, batches


@dataclass(frozen=True, slots=True)
class PassageInput:
    """What the encoder reads of a passage: a heading (title and source) in front, then the sentences."""

    heading: str
    sentences: tuple[str, ...]

    def key(self, budget: int) -> str:
        """Cache key of these rows under a row budget."""
        return text_hash("\0".join([str(budget), self.heading, *self.sentences]))


@dataclass(frozen=True, slots=True)
class Rows:
    """Genesis rows of docids 0..n-1.

    `vectors` has shape (rows, dimension), float16, unit length; `starts` has shape (n + 1,): docid i owns rows
    `starts[i]:starts[i + 1]`, its body first.
    """

    vectors: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> np.ndarray:
        """The docid of each row, shape (rows,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def save(self, folder: Path) -> None:
        """Write both arrays into `folder`."""
        np.save(folder / "rows.npy", self.vectors)
        np.save(folder / "starts.npy", self.starts)

    @classmethod
    def load(cls, folder: Path) -> "Rows":
        """Open saved rows, memory-mapped."""
        return cls(np.load(folder / "rows.npy", mmap_mode="r"), np.load(folder / "starts.npy"))

    @classmethod
    def stack(cls, groups: Sequence[np.ndarray]) -> "Rows":
        """Rows from one (rows of the docid, dimension) array a docid."""
        starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
        return cls(np.concatenate(groups).astype(np.float16), starts)


def _groups(count: int, budget: int) -> list[range]:
    """Sentences shared out over at most `budget` anchors, neighbours together."""
    anchors = min(count, budget)
    edges = [round(index * count / anchors) for index in range(anchors + 1)] if anchors else []
    return [range(start, end) for start, end in pairwise(edges)]


@torch.inference_mode()
def encode_passages(encoder: Encoder, passages: Sequence[PassageInput], budget: int) -> list[np.ndarray]:
    """One (1 + anchors, dimension) float16 array a passage: its body row, then at most `budget` anchors.

    A sentence beyond the encoder's window has no tokens of its own and gets the body row.
    """
    texts, spans = list[str](), list[list[tuple[int, int]]]()
    for passage in passages:
        text, found = passage.heading + "\n", list[tuple[int, int]]()
        for sentence in passage.sentences:
            found.append((len(text), len(text) + len(sentence)))
            text += sentence + " "
        texts.append(text)
        spans.append([(found[group[0]][0], found[group[-1]][1]) for group in _groups(len(found), budget)])
    encodings = encoder.tokenizer.encode_batch(texts)
    limit = min(encoder.limit, max(len(encoding.ids) for encoding in encodings))
    ids = torch.zeros((len(texts), limit), dtype=torch.long)
    mask = torch.zeros((len(texts), limit))
    for index, encoding in enumerate(encodings):
        kept = min(limit, len(encoding.ids))
        ids[index, :kept] = torch.tensor(encoding.ids[:kept])
        mask[index, :kept] = 1
    states = encoder.base(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return [
        _pooled(states[index], mask[index], np.array(encodings[index].offsets)[:limit], spans[index])
        for index in range(len(texts))
    ]


def _pooled(states: torch.Tensor, mask: torch.Tensor, offsets: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
    pools = [mask]
    begins, ends = offsets[:, 0], offsets[:, 1]
    for start, end in spans:
        inside = torch.zeros_like(mask)
        inside[: len(offsets)] = torch.from_numpy(((begins >= start) & (ends <= end) & (ends > begins)).astype("f4"))
        pools.append(inside if inside.any() else mask)
    weights = torch.stack(pools)
    pooled = weights @ states / weights.sum(1, keepdim=True)
    return np.asarray(torch.nn.functional.normalize(pooled, dim=-1).numpy(), dtype=np.float16)


def encode_rows(
    encoder: Encoder,
    cache: EncodingCache,
    passages: Sequence[PassageInput],
    budget: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Rows, int]:
    """Genesis rows of `passages` in order, through the cache; also how many had to be encoded.

    What is encoded is stored batch by batch, so an interrupted run goes on where it stopped.
    """
    keys = [passage.key(budget) for passage in passages]
    cached = cache.load()
    missing = [index for key, index in {key: index for index, key in enumerate(keys)}.items() if key not in cached]
    missing.sort(key=lambda index: sum(map(len, passages[index].sentences)))
    done = 0
    for run in batches(missing, 512):
        fresh = dict[str, np.ndarray]()
        for batch in batches(run, 32):
            chosen = [passages[index] for index in batch]
            fresh.update(zip([keys[index] for index in batch], encode_passages(encoder, chosen, budget), strict=True))
            done += len(batch)
            progress(done, len(missing))
        cache.add(fresh)
        cached.update(fresh)
    return Rows.stack([cached[key] for key in keys]), len(missing)
