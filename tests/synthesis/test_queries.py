"""Synthetic queries: deterministic, fresh every epoch, of every kind, true to their passages, and split by document."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery, to_arrow
from genret_ops.retrieval.index import build_lexical
from genret_ops.settings import RetrievalSettings, Settings, SynthesisSettings, TrainingSettings
from genret_ops.storage.tables import TableStore
from genret_ops.synthesis.extractive import EXTRACTIVE_KINDS, ExtractiveGenerator, SourcePassage
from genret_ops.synthesis.generators import Generators
from genret_ops.synthesis.queries import (
    heldout_docids,
    lexical_neighbours,
    read_queries,
    source_passages,
    write_queries,
)
from genret_ops.synthesis.written import WrittenGenerator, WrittenQuery
from tests.support.small_head import Written, head_of
from validations.suites import queries as suites

THINGS = ("yacht", "battery", "football", "garden", "scooter", "honey", "lamp", "printer", "castle", "violin")
SOURCES = ("Fortune", "The Age", "TechCrunch")
DOCUMENTS: dict[str, Written] = {
    f"{thing}-{number}": (
        f"About a {thing}",
        {"source": SOURCES[(place + number) % 3], "published": "2023-10-05" if number else "2023-11-06T08:00:00"},
        [
            [f"The {thing} of harbour {number} was seen in Lisbon.", f"Nobody bought the {thing}, said Anna Berg."],
            [f"A second part tells more about every {thing} of {number}.", "Short one."],
        ],
    )
    for place, thing in enumerate(THINGS)
    for number in range(2)
}
SETTINGS = Settings(
    synthesis=SynthesisSettings(heldout=0.2, heldout_queries=60),
    training=TrainingSettings(steps=6, batch=32, rpo_steps=2, seed=3),
)


@pytest.fixture(scope="module")
def head() -> CorpusView:
    return head_of(DOCUMENTS, gone=["A passage that has left the corpus for good."])


@pytest.fixture(scope="module")
def near(head: CorpusView) -> np.ndarray:
    return lexical_neighbours(head, build_lexical(head))


@pytest.fixture(scope="module")
def written(head: CorpusView, near: np.ndarray) -> list[SyntheticQuery]:
    return write_queries(head, near, SETTINGS)


def generator(head: CorpusView, near: np.ndarray, seed: int = 0, **counts: float) -> ExtractiveGenerator:
    chosen = SynthesisSettings(**counts)
    return ExtractiveGenerator(source_passages(head, near, RetrievalSettings()), chosen, {}, seed)


def test_the_same_seed_gives_the_same_queries_and_another_epoch_others(head: CorpusView, near: np.ndarray) -> None:
    members = range(20)
    first, again = (generator(head, near).epoch(0, members, "train") for _ in range(2))
    assert first == again
    other = {row.text for row in generator(head, near).epoch(1, members, "train")}
    assert len(other & {row.text for row in first}) < 0.2 * len(other)
    assert generator(head, near, seed=1).epoch(0, members, "train") != first
    assert generator(head, near).epoch(0, members, "train", hard=True) != first


def test_a_build_writes_the_same_queries_twice(
    head: CorpusView, near: np.ndarray, written: list[SyntheticQuery]
) -> None:
    assert write_queries(head, near, SETTINGS) == written


def test_every_kind_is_present_in_the_numbers_that_settings_ask_for(head: CorpusView, near: np.ndarray) -> None:
    counts = {"chunk": 2, "sentence": 1, "constraint": 3, "multihop": 0, "context": 1}
    rows = generator(head, near, **counts).epoch(0, range(10), "train")
    assert Counter(row.kind for row in rows) == {kind: 10 * count for kind, count in counts.items() if count}
    rows = [row for number in range(20) for row in generator(head, near, chunk=0.5).epoch(number, range(10), "train")]
    assert 70 < sum(row.kind == "chunk" for row in rows) < 130
    assert {row.kind for row in rows} == set(EXTRACTIVE_KINDS)


def test_splits_hold_as_many_queries_as_asked_for_and_context_only_teaches(written: list[SyntheticQuery]) -> None:
    training = SETTINGS.training
    splits = Counter(row.split for row in written)
    assert splits["train"] == training.steps * training.batch
    assert 0 < splits["hard"] <= 2 * training.rpo_steps * training.batch
    assert splits["tuning"] == SETTINGS.synthesis.heldout_queries
    assert splits["gate"] == SETTINGS.gate.questions
    assert {row.kind for row in written if row.split != "train"} == set(EXTRACTIVE_KINDS) - {"context"}
    assert {row.kind for row in written if row.split == "train"} == set(EXTRACTIVE_KINDS)
    assert all(row.generator == "extractive" and row.seed == 3 for row in written)


def test_held_out_documents_are_in_no_training_query_and_others_in_no_held_out_one(
    head: CorpusView, written: list[SyntheticQuery]
) -> None:
    tuned, judged = heldout_docids(head, SETTINGS)
    heldout = tuned | judged
    docid_of = {passage.passage_id: docid for docid, passage in enumerate(head.passages)}
    documents = {head.first_document(docid).doc_id for docid in np.flatnonzero(heldout)}
    assert 1 <= len(documents) <= 10, "about a fifth of 20 documents"
    all_of_them = {docid for docid in np.flatnonzero(head.live) if head.first_document(docid).doc_id in documents}
    assert all_of_them == set(np.flatnonzero(heldout)), "a document is held out with all of its passages"
    for row in written:
        docids = [docid_of[passage_id] for passage_id in row.positives]
        side = {"tuning": tuned, "gate": judged}.get(row.split, ~heldout)
        assert side[docids].all(), f"{row.split} {row.kind}: {row.text}"
    sentences = Counter(sentence for passage in head.passages for sentence in passage.sentences)
    secrets = {one for docid in all_of_them for one in head.passages[docid].sentences if sentences[one] == 1}
    assert not any(secret in row.text for row in written if row.split in ("train", "hard") for secret in secrets)


def test_every_query_has_text_and_its_passages_are_alive(head: CorpusView, written: list[SyntheticQuery]) -> None:
    alive = {head.passages[docid].passage_id for docid in np.flatnonzero(head.live)}
    for row in written:
        assert row.text.strip() and len(row.text.split()) >= 3
        assert set(row.positives) <= alive and len(set(row.positives)) == len(row.positives)


def test_a_withheld_sentence_is_one_of_its_passage(head: CorpusView, written: list[SyntheticQuery]) -> None:
    sentences = {passage.passage_id: passage.sentences for passage in head.passages}
    for row in written:
        assert bool(row.withheld) == (row.kind in ("sentence", "constraint", "multihop"))
        for passage_id, sentence in zip(row.positives, row.withheld, strict=False):
            assert sentence in sentences[passage_id]


def test_a_constraint_query_names_a_value_that_its_passage_has(head: CorpusView, written: list[SyntheticQuery]) -> None:
    attributes = {
        passage.passage_id: head.first_document(docid).metadata
        for docid, passage in enumerate(head.passages)
        if head.live[docid]
    }
    rows = [row for row in written if row.kind == "constraint"]
    assert {name for row in rows for name in row.constraints} == {"source", "published"}
    spoken = {"2023-10-05": "October 5, 2023", "2023-11-06T08:00:00": "November 6, 2023"}
    for row in rows:
        ((name, value),) = row.constraints.items()
        assert attributes[row.positives[0]][name] == value
        assert spoken.get(value, value) in row.text


def test_a_multihop_query_has_two_documents(head: CorpusView, written: list[SyntheticQuery]) -> None:
    document = {
        passage.passage_id: head.first_document(docid).doc_id
        for docid, passage in enumerate(head.passages)
        if head.live[docid]
    }
    rows = [row for row in written if row.kind == "multihop"]
    assert len(rows) > 20
    for row in rows:
        assert len({document[passage_id] for passage_id in row.positives}) == len(row.positives) == 2
        assert len(row.withheld) == 2


def test_a_passage_that_several_documents_share_is_joined_with_none_of_theirs() -> None:
    footer = ["This document has been placed in the public domain by its authors."]
    shared = head_of({name: (title, about, [*bodies, footer]) for name, (title, about, bodies) in DOCUMENTS.items()})
    queries = write_queries(shared, lexical_neighbours(shared, build_lexical(shared)), SETTINGS)
    tuned, judged = heldout_docids(shared, SETTINGS)
    rows = to_arrow("queries", queries, delta="delta-00000")
    frame = suites.frame(rows, shared, tuned | judged, shared.live)
    assert (frame["kind"] == "multihop").sum() > 20
    assert not frame["hops_fault"].any()


def test_hard_queries_keep_fewer_of_their_sentences_words(head: CorpusView, near: np.ndarray) -> None:
    def kept(hard: bool) -> float:
        made = generator(head, near, sentence=20).epoch(0, range(40), "train", hard)
        rows = [row for row in made if row.kind == "sentence"]
        return sum(len(row.text.split()) / len(row.withheld[0].split()) for row in rows) / len(rows)

    assert kept(True) < kept(False) - 0.05


def test_neighbours_are_alive_and_of_other_documents(head: CorpusView, near: np.ndarray) -> None:
    assert near.shape == (len(head), 8)
    for docid in np.flatnonzero(head.live):
        assert head.live[near[docid]].all() and len(set(near[docid])) == 8
        assert not {head.first_document(other).doc_id for other in near[docid]} & set(head.documents_of(docid))


@pytest.mark.parametrize("gone", [[], ["a passage that has left"]])
def test_neighbours_in_a_corpus_of_two_documents_are_the_other_one(gone: list[str]) -> None:
    small = head_of({name: DOCUMENTS[name] for name in ("yacht-0", "lamp-1")}, gone)
    near = lexical_neighbours(small, build_lexical(small))
    assert near.shape == (len(small), 1)
    assert all(small.first_document(near[docid, 0]) != small.first_document(docid) for docid in range(4))


def test_fewer_than_two_documents_cannot_be_split_and_that_is_said() -> None:
    alone = head_of({"yacht-0": DOCUMENTS["yacht-0"]})
    with pytest.raises(GenretError, match="at least two"):
        write_queries(alone, lexical_neighbours(alone, build_lexical(alone)), SETTINGS)


def test_documents_that_all_say_the_same_cannot_be_split_and_that_is_said() -> None:
    copies = head_of(dict.fromkeys(("a", "b", "c", "d"), DOCUMENTS["yacht-0"]))
    near = lexical_neighbours(copies, build_lexical(copies))
    assert near.shape[1] < len(copies)
    with pytest.raises(GenretError, match="all documents say the same"):
        write_queries(copies, near, SETTINGS)


def test_a_corpus_without_words_says_so() -> None:
    silent = head_of({name: ("", {}, [[mark * 5]]) for name, mark in (("a", "?"), ("b", "!"), ("c", "-"))})
    rows = ExtractiveGenerator(
        source_passages(silent, lexical_neighbours(silent, build_lexical(silent)), RetrievalSettings()),
        SynthesisSettings(context=0),
        {},
        0,
    )
    with pytest.raises(GenretError, match="long enough"):
        list(Generators([rows]).stream([0, 1, 2], 10))


def test_a_stream_of_few_queries_that_seldom_stand_is_no_error() -> None:
    head = head_of({"a": ("", {}, [["The lamp burns."]])})
    passages = source_passages(head, np.zeros((1, 0), dtype=np.int64), RetrievalSettings())
    rare = WrittenQuery("what does the lamp do", "chunk", (0,), "pen", weight=0.5)
    rows = list(Generators([WrittenGenerator(passages, [rare], 0)]).stream([0], 200))
    assert [row.text for row in rows] == [rare.text] * 200


def test_a_date_attribute_may_hold_what_is_no_date() -> None:
    documents = {
        name: (title, {**attributes, "published": "2023-99-99" if name == "yacht-0" else "2023-10-05"}, passages)
        for name, (title, attributes, passages) in DOCUMENTS.items()
    }
    odd = head_of({**documents, "more": ("More", {"published": ""}, [["One more passage that has enough words."]])})
    made = write_queries(odd, lexical_neighbours(odd, build_lexical(odd)), SETTINGS)
    assert not any(value in ("2023-99-99", "") for row in made for value in row.constraints.values())


def test_stored_queries_are_read_as_they_were_written(tmp_path: Path, written: list[SyntheticQuery]) -> None:
    store = TableStore(tmp_path)
    rows = [to_arrow("queries", written, delta="delta-00000"), to_arrow("queries", written[:3], delta="delta-00001")]
    version = store.replace("queries", pa.concat_tables(rows))
    assert read_queries(store, "delta-00000", version) == written
    assert read_queries(store, "delta-00000", version, ["hard"]) == [row for row in written if row.split == "hard"]
    assert read_queries(store, "delta-00001", version) == written[:3]
    raw = store.read("queries")["constraints"].to_pylist()
    assert all(isinstance(json.loads(cell), dict) for cell in raw)


def test_a_sentence_of_names_is_still_asked_for_in_three_words() -> None:
    sentence = "So Anna Berg, Carl Dahl, and Eva Falk"
    source = SourcePassage("p", frozenset("d"), "", sentence, (sentence,), {})
    made = ExtractiveGenerator([source], SynthesisSettings(chunk=0, sentence=200, context=0), {}, 0).epoch(
        0, [0], "train"
    )
    assert len(made) == 200 and all(len(row.text.split()) >= 3 for row in made)
    assert any("Anna" not in row.text for row in made), "names are left out where enough else is left"


words = st.lists(
    st.sampled_from(
        ["Alpha", "Beta Gamma", "of", "the", ",", "?!", "rain", "2023", "é", "and", "x-y", "\n", "O’Brien"]
    ),
    max_size=9,
).map(" ".join) | st.text(max_size=30)


@settings(max_examples=60)
@given(st.lists(st.lists(words.filter(str.strip), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(0, 99))
def test_any_text_makes_queries_with_words_or_none(bodies: list[list[str]], seed: int) -> None:
    attributes: Mapping[str, str] = {"source": "Fortune", "published": "2023-10-05"}
    made = ExtractiveGenerator(
        [
            SourcePassage(str(number), frozenset(str(number % 3)), "", " ".join(body), tuple(body), attributes, (0,))
            for number, body in enumerate(bodies)
        ],
        SynthesisSettings(sentence=4),
        {},
        seed,
    ).epoch(0, range(len(bodies)), "train", hard=bool(seed % 2))
    random.Random(seed).shuffle(made)
    assert all(row.text.strip() for row in made)
    assert all(len(set(row.positives)) == len(row.positives) for row in made)


def large_head(count: int) -> CorpusView:
    return head_of({f"new-{n}": (f"N{n}", {}, [[f"Report {n} came later."]]) for n in range(count)})


def sides(of: CorpusView) -> tuple[set[str], set[str]]:
    """The documents held out for tuning and for the gate."""
    masks = heldout_docids(of, SETTINGS)
    tuned, judged = ({of.first_document(docid).doc_id for docid in np.flatnonzero(mask).tolist()} for mask in masks)
    return tuned, judged


def test_a_document_keeps_its_side_whatever_comes(head: CorpusView) -> None:
    small, large = sides(large_head(100)), sides(large_head(160))
    shared = {f"new-{n}" for n in range(100)}
    for before, after in zip(small, large, strict=True):
        assert after & shared == before
        assert after - shared


def test_the_gate_asks_about_documents_that_tuned_nothing(head: CorpusView) -> None:
    tuned, judged = sides(large_head(160))
    assert not tuned & judged
    assert 0.1 < len(judged) / len(tuned | judged) < 0.6
    few, same = sides(large_head(5))
    assert few == same, "where too few documents would judge, the gate asks about those of tuning"
