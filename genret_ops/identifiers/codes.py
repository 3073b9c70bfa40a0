"""Code identifiers: a passage's vector, residual-quantised level by level, then a number among those of equal codes.

At each level the nearest centroid of k-means is taken and subtracted, and what is left goes to the next: passages that
are alike share a beginning. Codebooks are fitted once and frozen; a new vector gets the codes that they give, and the
next number, so no identifier ever moves. With a single level this is the two-level identifier: cluster, then member.

Tokens are a block of reserved numbers that begins where the caller says: `clusters` of them for each level, and as many
for the digits of the number. This module knows neither the encoder nor the tokenizer.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from genret_ops.errors import GenretError
from genret_ops.identifiers.trie import Ints
from genret_ops.identifiers.written import checked, spelt, table

Vectors = NDArray[np.float32]
CODEBOOKS = "codebooks.npz"
"""What the codebooks of a job or a release are called."""

_CHUNK = 8192
"""Vectors whose distances are computed at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Codebooks:
    """Frozen centroids of every level; make them with `Codebooks.fit`.

    Attributes:
        centroids: shape (levels, centroids of a level, dimension).
        clusters: reserved tokens of a level; a small corpus has fewer centroids.
        first_token: the first reserved token.
    """

    centroids: Vectors
    clusters: int
    first_token: int

    @classmethod
    def fit(cls, vectors: Vectors, *, levels: int, clusters: int, first_token: int, seed: int) -> "Codebooks":
        """Learn the centroids by k-means on vectors, then on what each level leaves of them.

        Args:
            vectors: shape (passages, dimension).
            levels: codes of an identifier before its number.
            clusters: centroids of a level, at least 2.
            first_token: the first of the reserved tokens.
            seed: of the initial centroids.

        Raises:
            GenretError: there is no vector, or one is not finite.
            ValueError: `levels`, `clusters` or `first_token` is too small.
        """
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning

        if levels < 1 or clusters < 2 or first_token < 0:
            raise ValueError("codes need a level, two clusters and a first token that is not negative")
        residual = _finite(vectors).copy()
        if not len(residual):
            raise GenretError("there is no passage to learn codes from: ingest documents first")
        centroids = []
        for level in range(levels):
            kmeans = MiniBatchKMeans(min(clusters, len(residual)), random_state=seed + level, n_init=3)
            with warnings.catch_warnings():
                # Equal passages leave fewer distinct points than clusters, which is no fault.
                warnings.simplefilter("ignore", ConvergenceWarning)
                kmeans.fit(residual)
            centroids.append(kmeans.cluster_centers_.astype(np.float32))
            residual -= centroids[-1][_nearest(residual, centroids[-1])]
        return cls(np.stack(centroids), clusters, first_token)

    @property
    def levels(self) -> int:
        """Codes of an identifier before its number."""
        return len(self.centroids)

    @property
    def reserved(self) -> range:
        """The tokens of which identifiers are made."""
        return range(self.first_token, self.first_token + (self.levels + 1) * self.clusters)

    def codes(self, vectors: Vectors) -> Ints:
        """The nearest centroid of each level to what the levels before it left of each vector.

        Args:
            vectors: shape (n, dimension).

        Returns:
            Shape (n, levels), each 0 to clusters - 1.

        Raises:
            GenretError: the vectors are not finite, or of another dimension.
        """
        residual = _finite(vectors).copy()
        dimension = self.centroids.shape[2]
        if residual.shape[1] != dimension:
            raise GenretError(f"vectors have {residual.shape[1]} dimensions, the codebooks {dimension}: fit new ones")
        codes = np.empty((len(residual), self.levels), dtype=np.int64)
        for level, centroids in enumerate(self.centroids):
            codes[:, level] = _nearest(residual, centroids)
            residual -= centroids[codes[:, level]]
        return codes

    def spell(self, codes: Sequence[int], number: int) -> list[int]:
        """The tokens of an identifier: its codes, then its number in digits of base `clusters`."""
        digits = [number % self.clusters]
        while number := number // self.clusters:
            digits.append(number % self.clusters)
        levels = [*range(self.levels), *[self.levels] * len(digits)]
        values = [*codes, *reversed(digits)]
        return [self.first_token + level * self.clusters + value for level, value in zip(levels, values, strict=True)]

    def read(self, tokens: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """(codes, number) of an identifier that `spell` made.

        Raises:
            GenretError: these codebooks cannot have made it.
        """
        values = [token - self.first_token - min(i, self.levels) * self.clusters for i, token in enumerate(tokens)]
        if len(values) <= self.levels or not all(0 <= value < self.clusters for value in values):
            raise GenretError("an identifier was made by other codebooks: open those of its generation")
        number = 0
        for digit in values[self.levels :]:
            number = number * self.clusters + digit
        return tuple(values[: self.levels]), number

    def save(self, path: Path) -> None:
        """Write the codebooks into an .npz file."""
        np.savez(path, centroids=self.centroids, clusters=self.clusters, first_token=self.first_token)

    @classmethod
    def load(cls, path: Path) -> "Codebooks":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with np.load(path) as stored:
            return cls(stored["centroids"], int(stored["clusters"]), int(stored["first_token"]))


def assign(
    existing: pa.Table | None, docids: Sequence[int], vectors: Vectors, delta: str, codebooks: Codebooks
) -> pa.Table:
    """Make identifiers for the docids that have none, each with the next number among those of equal codes.

    Args:
        existing: every identifier so far, under `written.SCHEMA`; None before the first. A delta that is processed
            again passes the table without its own rows.
        docids: in the order that decides the numbers; known and repeated ones are skipped.
        vectors: one for each docid, shape (n, dimension).
        delta: name of the delta that brings them.
        codebooks: those that made `existing`.

    Returns:
        The new rows only, under `written.SCHEMA`; `identifier` is the codes and the number, joined by hyphens.

    Raises:
        GenretError: vectors are not fit for the codebooks, other codebooks made `existing`, or it contradicts itself.
        ValueError: docids and vectors differ in number.
    """
    if len(docids) != len(vectors):
        raise ValueError(f"{len(docids)} docids do not go with {len(vectors)} vectors")
    rows = checked(existing)
    known = set(rows["docid"].to_pylist())
    next_number: dict[tuple[int, ...], int] = {}
    for codes, number in map(codebooks.read, spelt(rows)):
        next_number[codes] = max(next_number.get(codes, 0), number + 1)
    new = list[tuple[int, str, list[int]]]()
    for docid, codes in zip(docids, map(tuple, codebooks.codes(vectors).tolist()), strict=True):
        if docid in known:
            continue
        known.add(docid)
        number = next_number.get(codes, 0)
        next_number[codes] = number + 1
        new.append((docid, "-".join(map(str, (*codes, number))), codebooks.spell(codes, number)))
    return table(new, delta)


def _finite(vectors: Any) -> Vectors:
    array: Vectors = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise GenretError("vectors of passages are not a matrix of finite numbers: encode the passages again")
    return array


def _nearest(vectors: Vectors, centroids: Vectors) -> Ints:
    """The centroid nearest to each vector, shape (n,)."""
    half = (centroids**2).sum(axis=1) / 2
    chunks = (vectors[begin : begin + _CHUNK] for begin in range(0, len(vectors), _CHUNK))
    nearest = [np.argmin(half - chunk @ centroids.T, axis=1) for chunk in chunks]
    return np.concatenate([np.zeros(0, np.int64), *nearest])
