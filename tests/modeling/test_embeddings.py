"""Rows of docids: whose they are, how many they may be, and that no text is encoded twice."""

from pathlib import Path

import numpy as np
import pytest

import genret_ops.modeling.embeddings as module
from genret_ops.modeling.embeddings import PassageInput, Rows, encode_rows
from genret_ops.storage.encoding_cache import EncodingCache
from tests.support.small_head import minilm

BEES = ("Smoke calms the bees.", "Honey is harvested in July.", "The hives are on the roof.")
COFFEE = ("Descale it.", "Use citric acid.", "And hot water.", "Twice.", "A year.")
PASSAGES = [
    PassageInput("Bees\n" + " ".join(BEES), BEES),
    PassageInput("A jammed sheet comes out at the back.", ("A jammed sheet comes out at the back.",)),
    PassageInput("Coffee. Red Team\n" + " ".join(COFFEE), COFFEE),
    PassageInput("", ()),
]
TEXTS = {text for passage in PASSAGES for text in passage.texts}


@pytest.fixture
def cache(tmp_path: Path) -> EncodingCache:
    return EncodingCache(tmp_path, "e" * 64, minilm().dimension)


def rows_of(rows: Rows, docid: int) -> np.ndarray:
    return np.asarray(rows.vectors[rows.starts[docid] : rows.starts[docid + 1]], dtype=np.float32)


def test_starts_say_which_rows_a_docid_owns(cache: EncodingCache) -> None:
    rows, encoded = encode_rows(minilm(), cache, PASSAGES, 16)
    assert encoded == len(TEXTS) == 12 and len(rows) == 4
    assert np.diff(rows.starts).tolist() == [4, 2, 6, 1]
    assert len(rows.vectors) == rows.starts[-1] == 13
    both = rows.followed_by(rows)
    assert len(both) == 8 and np.diff(both.starts).tolist() == [4, 2, 6, 1] * 2
    np.testing.assert_array_equal(both.vectors[13:], rows.vectors)
    np.testing.assert_allclose(np.linalg.norm(rows.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


@pytest.mark.parametrize("budget", [1, 2, 3, 4, 7])
def test_the_budget_bounds_the_anchors_and_every_sentence_has_one(cache: EncodingCache, budget: int) -> None:
    rows, _ = encode_rows(minilm(), cache, PASSAGES, budget)
    assert np.diff(rows.starts).tolist() == [1 + min(budget, len(passage.sentences)) for passage in PASSAGES]
    for docid, passage in enumerate(PASSAGES[:3]):
        anchors = rows_of(rows, docid)[1:]
        nearest = (minilm().encode(passage.sentences) @ anchors.T).argmax(1).tolist()
        assert nearest[0] == 0 and nearest[-1] == len(anchors) - 1


def test_the_body_row_is_the_encoding_of_the_whole_passage_and_an_anchor_that_of_its_sentence(
    cache: EncodingCache,
) -> None:
    rows = rows_of(encode_rows(minilm(), cache, [PASSAGES[0]], 16)[0], 0)
    np.testing.assert_allclose(rows, minilm().encode(PASSAGES[0].texts), atol=2e-3)


def test_sentences_that_share_an_anchor_count_by_their_length(cache: EncodingCache) -> None:
    anchor = rows_of(encode_rows(minilm(), cache, [PASSAGES[0]], 1)[0], 0)[1]
    mean = sum(len(text) * vector for text, vector in zip(BEES, minilm().encode(BEES), strict=True))
    np.testing.assert_allclose(anchor, mean / np.linalg.norm(mean), atol=2e-3)


def test_nothing_is_encoded_twice(cache: EncodingCache) -> None:
    seen = list[tuple[int, int]]()
    twice = [*PASSAGES, PASSAGES[0], PassageInput(PASSAGES[0].whole, ("Descale it.",))]
    first, count = encode_rows(minilm(), cache, twice, 16, lambda *done: seen.append(done))
    assert count == 12 and seen[-1] == (12, 12)
    again, count = encode_rows(minilm(), cache, twice, 1)
    assert count == 0, "neither a second run nor another budget reads a text again"
    np.testing.assert_array_equal(again.vectors[again.starts[:-1]], first.vectors[first.starts[:-1]])
    np.testing.assert_array_equal(rows_of(first, 4), rows_of(first, 0))
    assert len(cache.load()) == 12


def test_another_encoder_has_a_cache_of_its_own(cache: EncodingCache, tmp_path: Path) -> None:
    encode_rows(minilm(), cache, PASSAGES, 16)
    assert EncodingCache(tmp_path, "f" * 64, 384).load() == {}
    assert len(EncodingCache(tmp_path, "e" * 64, 384).load()) == 12


def test_the_order_of_passages_does_not_matter(tmp_path: Path) -> None:
    forth, _ = encode_rows(minilm(), EncodingCache(tmp_path / "a", "e" * 16, 384), PASSAGES, 16)
    back, _ = encode_rows(minilm(), EncodingCache(tmp_path / "b", "e" * 16, 384), PASSAGES[::-1], 16)
    for docid in range(4):
        np.testing.assert_array_equal(rows_of(forth, docid), rows_of(back, 3 - docid))


def test_an_edit_encodes_only_what_is_new(cache: EncodingCache) -> None:
    before, _ = encode_rows(minilm(), cache, PASSAGES, 16)
    sentences = ("Smoke calms the wasps.", *BEES[1:])
    edited = PassageInput("Bees\n" + " ".join(sentences), sentences)
    after, count = encode_rows(minilm(), cache, [edited, *PASSAGES[1:]], 16)
    assert count == 2, "the sentence and the passage"
    np.testing.assert_array_equal(after.vectors[after.starts[0] + 2 :], before.vectors[before.starts[0] + 2 :])
    assert not np.array_equal(rows_of(after, 0)[:2], rows_of(before, 0)[:2])


def test_an_interrupted_encoding_goes_on_where_it_stopped(
    cache: EncodingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "batches", lambda items, size: [items[i : i + 5] for i in range(0, len(items), 5)])

    def interrupt(done: int, total: int) -> None:
        assert total == 12
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_rows(minilm(), cache, PASSAGES, 16, interrupt)
    assert len(cache.load()) == 10
    rows, count = encode_rows(minilm(), cache, PASSAGES, 16)
    assert count == 2 and len(rows) == 4


def test_saved_rows_are_opened_from_disk(cache: EncodingCache, tmp_path: Path) -> None:
    rows, _ = encode_rows(minilm(), cache, PASSAGES, 16)
    rows.save(tmp_path)
    opened = Rows.load(tmp_path)
    np.testing.assert_array_equal(opened.vectors, rows.vectors)
    np.testing.assert_array_equal(opened.starts, rows.starts)
    assert isinstance(opened.vectors, np.memmap)
