"""Tuning: what is withheld is really gone, what remains can be found, and the fusion follows the evidence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.fusion_tuning import FusionTuning, default_mode, tune
from genret_ops.lexical.bm25 import tokenize
from genret_ops.modeling.embeddings import Rows, encode_rows
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.features import MODEL
from genret_ops.retrieval.fusion import prior
from genret_ops.retrieval.index import build_lexical
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.synthesis.queries import withheld_sentences
from genret_ops.training.dataset import passage_inputs
from tests.support.small_head import Written, head_of, minilm

THINGS = ("yacht", "battery", "football", "garden", "scooter", "honey", "lamp", "printer")
PLACES = ("Lisbon", "Oslo", "Prague")
DOCUMENTS: dict[str, Written] = {
    f"{thing}-{place}": (
        f"Notes {number}",
        {"source": "Fortune" if number % 2 else "The Age"},
        [[f"A {thing} was seen in {place}.", f"Its price {number} shocked dealers.", f"Later the {thing} vanished."]],
    )
    for number, (thing, place) in enumerate((thing, place) for thing in THINGS for place in PLACES)
}


@pytest.fixture(scope="module")
def head() -> CorpusView:
    return head_of({**DOCUMENTS, "alone": ("Alone", {}, [["Only this one sentence stands here."]])})


def queries_of(head: CorpusView, right: Mapping[int, int] | None = None) -> list[SyntheticQuery]:
    """Two queries a passage, from its first and its second sentence; `right` puts other passages in their place."""
    return [
        SyntheticQuery(
            head.passages[docid].sentences[place].strip("."),
            "sentence",
            (head.passages[(right or {}).get(docid, docid)].passage_id,),
            "tuning",
            "extractive",
            0,
            (head.passages[docid].sentences[place],),
        )
        for docid in range(len(DOCUMENTS))
        for place in (0, 1)
    ]


def test_withheld_sentences_are_in_no_text_that_is_searched(head: CorpusView) -> None:
    queries = queries_of(head)
    without = withheld_sentences(head, queries)
    assert len(without) == len(DOCUMENTS) and all(len(withheld) == 1 for withheld in without.values())
    inputs = passage_inputs(head.without(without))
    lexical = build_lexical(head.without(without))
    for docid, withheld in without.items():
        left = [sentence for sentence in head.passages[docid].sentences if sentence not in withheld]
        assert list(inputs[docid].sentences) == left and len(left) == 2
        assert not any(sentence in " ".join(inputs[docid].texts) for sentence in withheld)
    words = tokenize(["Lisbon"])[0]
    assert lexical.scores(words).max() == 0 < build_lexical(head).scores(words).max()
    dealers = tokenize(["dealers"])[0]
    assert (lexical.scores(dealers) > 0).sum() == len(DOCUMENTS), "the other sentences are all there"


def test_every_second_query_sees_the_whole_passage(head: CorpusView) -> None:
    queries = queries_of(head)
    without = withheld_sentences(head, queries)
    given_up = {sentence for withheld in without.values() for sentence in withheld}
    assert given_up == {query.withheld[0] for query in queries[::2]}
    assert not given_up & {query.withheld[0] for query in queries[1::2]}


def test_the_last_sentence_of_a_passage_stays(head: CorpusView) -> None:
    alone = head.passages[-1]
    query = SyntheticQuery("x", "sentence", (alone.passage_id,), "tuning", "g", 0, alone.sentences)
    assert withheld_sentences(head, [query]) == {}


picked = st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 2), max_size=3)), max_size=20)


@settings(max_examples=40)
@given(picked)
def test_at_least_one_sentence_stays_for_any_pick(head: CorpusView, picks: list[tuple[int, set[int]]]) -> None:
    queries = [
        SyntheticQuery(
            "x",
            "sentence",
            (head.passages[docid].passage_id,),
            "tuning",
            "g",
            0,
            tuple(head.passages[docid].sentences[place] for place in places),
        )
        for docid, places in picks
    ]
    without = withheld_sentences(head, queries)
    wanted = [(docid, places) for docid, places in picks[::2] if places]
    for docid, withheld in without.items():
        sentences = set(head.passages[docid].sentences)
        assert withheld and withheld < sentences
        assert passage_inputs(head.without(without))[docid].sentences
    assert set(without) == {docid for docid, places in wanted if len(places) < 3}


@pytest.fixture(scope="module")
def tuner(head: CorpusView, tmp_path_factory: pytest.TempPathFactory) -> "Tuner":
    return Tuner(head, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tuned(head: CorpusView, tuner: "Tuner") -> FusionTuning:
    """What tuning finds in queries and rows that make sense."""
    return tuner(queries_of(head))


class Tuner:
    """Tunes on the untrained encoder's own rows, with or without sense in them; remembers what it read."""

    def __init__(self, head: CorpusView, home: Path) -> None:
        self.head = head
        self.cache = EncodingCache(home, "e" * 16, 384)
        self.read = list[CorpusView]()

    def __call__(self, queries: list[SyntheticQuery], noise: bool = False) -> FusionTuning:
        def rows(head: CorpusView) -> Rows:
            self.read.append(head)
            encoded, _ = encode_rows(minilm(), self.cache, passage_inputs(head), 4)
            if noise:
                turned = np.random.default_rng(0).standard_normal(encoded.vectors.shape).astype(np.float32)
                encoded = Rows(
                    (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float16), encoded.starts
                )
            return encoded

        def models_on(head: CorpusView) -> dict[float, Model]:
            model = Model.untuned(minilm(), rows(head), 20.0, head.live)
            return dict.fromkeys((0.0, 1.0), model)

        return tune(self.head, queries, models_on, RetrievalSettings(pool=20))


def test_rows_are_asked_for_without_the_withheld_sentences(head: CorpusView, tuner: Tuner, tuned: FusionTuning) -> None:
    queries = queries_of(head)
    assert tuner.read[0].passages == head.without(withheld_sentences(head, queries)).passages != head.passages
    assert tuned.queries == len(queries)
    assert [set(fusion.weights) for fusion in (tuned.fusion, tuned.lexical_fusion)] == [
        set(fusion.weights) for fusion in prior()
    ]
    assert tuned == tuner(queries), "tuning twice gives the same"


def test_a_model_without_sense_gets_no_part_in_the_answer(head: CorpusView, tuner: Tuner, tuned: FusionTuning) -> None:
    noise = tuner(queries_of(head), noise=True)
    parts = [sum(tuning.fusion.weights[name] for name in MODEL) for tuning in (noise, tuned)]
    assert parts[0] < 0.5 * parts[1]
    assert noise.mrr["generative"] < 0.3 < noise.mrr["lexical"]
    assert noise.default_mode != "generative"


def test_a_mode_is_left_for_another_only_where_that_is_surely_better() -> None:
    documents = [str(number // 4) for number in range(40)]
    even = [1.0, 0.5] * 20
    chance = [0.5, 1.0] * 19 + [1.0, 1.0]
    assert default_mode({"hybrid": even, "generative": even, "lexical": chance}, documents) == "hybrid"
    surely = {"hybrid": even, "generative": [0.8] * 40, "lexical": [0.9] * 40}
    assert default_mode(surely, documents) == "lexical", "the best of those that are"
    assert default_mode(surely, ["few"] * 40) == "hybrid", "questions about one document prove nothing"


def test_shuffled_labels_are_seen(head: CorpusView, tuner: Tuner, tuned: FusionTuning) -> None:
    order = np.random.default_rng(3).permutation(len(DOCUMENTS))
    shuffled = tuner(queries_of(head, {docid: int(other) for docid, other in enumerate(order)}))
    assert max(shuffled.mrr.values()) < 0.3
    assert max(tuned.mrr.values()) > 0.6
    assert max(shuffled.fusion.weights.values()) < 0.3 * max(tuned.fusion.weights.values())
