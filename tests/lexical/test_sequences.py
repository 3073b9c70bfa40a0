"""Stems of texts in their order: chosen, joined, saved, and where some of them stand."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.lexical.sequences import StemSequences

stems = st.sampled_from("abcdef")
texts_of_stems = st.lists(st.lists(stems, max_size=8), max_size=6)


def as_lists(sequences: StemSequences) -> list[list[int]]:
    return [sequences.stems[start:end].tolist() for start, end in pairwise(sequences.starts)]


def numbered(texts: Sequence[Sequence[str]]) -> list[list[int]]:
    return [["abcdef".index(stem) for stem in text] for text in texts]


def sequences_of(texts: Sequence[Sequence[str]]) -> StemSequences:
    return StemSequences.of(texts, {stem: number for number, stem in enumerate("abcdef")})


@given(texts_of_stems, texts_of_stems, st.data())
def test_texts_keep_their_stems_in_order(texts: list[list[str]], more: list[list[str]], data: st.DataObject) -> None:
    both = sequences_of(texts).joined(sequences_of(more))
    assert as_lists(both) == numbered([*texts, *more]) and len(both) == len(texts) + len(more)
    chosen = data.draw(st.lists(st.integers(0, len(both) - 1), max_size=5) if len(both) else st.just([]))
    assert as_lists(both.of_texts(np.array(chosen, dtype=np.int64))) == numbered([[*texts, *more][i] for i in chosen])
    with TemporaryDirectory() as folder:
        both.save(Path(folder))
        assert as_lists(StemSequences.load(Path(folder))) == as_lists(both)


@given(texts_of_stems, st.lists(stems, unique=True, max_size=4))
def test_every_occurrence_of_a_wanted_stem_is_named_and_no_other(texts: list[list[str]], wanted: list[str]) -> None:
    numbers = np.array([*("abcdef".index(stem) for stem in wanted), -1, -1], dtype=np.int64)
    occurrences = sequences_of(texts).occurrences(numbers)
    expected = [
        (text, place, wanted.index(stem))
        for text, words in enumerate(texts)
        for place, stem in enumerate(words)
        if stem in wanted
    ]
    assert list(zip(*(part.tolist() for part in occurrences), strict=True)) == expected


def test_a_vocabulary_grows_by_what_it_lacks() -> None:
    vocabulary = {"bee": 0}
    assert StemSequences.of([["hive", "bee"], []], vocabulary).stems.tolist() == [1, 0]
    assert vocabulary == {"bee": 0, "hive": 1}
