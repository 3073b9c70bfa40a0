"""A training counts by what it is surely worth on held-out questions, and by nothing if that is not sure."""

from dataclasses import replace

import numpy as np
import pytest

from genret_ops.evaluation.model_metrics import Question
from genret_ops.evaluation.training_worth import TrainingWorth, training_worth
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import PassageInput, Rows
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.fusion import prior
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.settings import RetrievalSettings
from tests.support.small_head import Written, head_of, minilm

THINGS = ("yacht", "battery", "football", "garden", "scooter", "honey", "lamp", "printer", "violin", "anchor")
DOCUMENTS: dict[str, Written] = {
    thing: (f"Notes {number}", {}, [[f"The {thing} was seen in Oslo."]]) for number, thing in enumerate(THINGS)
}
SYNONYMS = ("boat", "accumulator", "soccer", "lawn", "moped", "bees", "light", "printing", "fiddle", "mooring")


@pytest.fixture(scope="module")
def index() -> Index:
    head = head_of(DOCUMENTS)
    return Index(head, RetrievalSettings(pool=10), build_lexical(head))


@pytest.fixture(scope="module")
def model(index: Index) -> Model:
    inputs = [PassageInput(passage.text, passage.sentences) for passage in index.head.passages]
    vectors = minilm().encode([passage.whole for passage in inputs]).astype(np.float16)
    rows = Rows(vectors, np.arange(len(vectors) + 1))
    graph = NeighbourGraph.build(rows.bodies(), index.head.live)
    return Model(
        minilm(),
        RowScorer(rows, 20.0),
        graph,
        LabelledQuestions.none(),
        *prior(),
        "hybrid",
        frozenset(range(len(rows))),
    )


def spoiled(model: Model) -> Model:
    """The model with its rows in another order."""
    rows = model.scorer.rows
    return replace(model, scorer=RowScorer(Rows(np.roll(rows.vectors, 3, axis=0), rows.starts), 20.0))


def questions_of(index: Index) -> list[Question]:
    """Questions that share no telling word with their passage."""
    docid_of = {index.head.first_document(docid).doc_id: docid for docid in range(len(index.head))}
    return [
        Question(synonym, frozenset({docid_of[thing]}), thing) for thing, synonym in zip(THINGS, SYNONYMS, strict=True)
    ]


def test_what_surely_answers_better_counts(index: Index, model: Model) -> None:
    worth = training_worth(index, {0.0: spoiled(model), 0.5: spoiled(model), 1.0: model}, questions_of(index), 0.0)
    assert (worth.share, worth.tried) == (1.0, 1.0) and worth.interval
    assert worth.interval[0] > 0
    assert str(worth).startswith("The training is worth +") and "100 % of it counts" in str(worth)


def test_what_answers_worse_or_the_same_counts_for_nothing(index: Index, model: Model) -> None:
    worse = training_worth(index, {0.0: model, 0.5: spoiled(model), 1.0: spoiled(model)}, questions_of(index), 0.0)
    assert worse.share == 0.0 and worse.interval and worse.interval[1] < 0
    assert "brought no sure gain (-" in str(worse)
    same = training_worth(index, {0.0: model, 0.5: model, 1.0: model}, questions_of(index), 0.0)
    assert (same.share, same.tried, same.difference) == (0.0, 0.5, 0.0)


def test_a_gain_has_to_be_surely_above_the_bar(index: Index, model: Model) -> None:
    models = {0.0: spoiled(model), 1.0: model}
    sure = training_worth(index, models, questions_of(index), 0.0)
    assert sure.interval
    low = training_worth(index, models, questions_of(index), sure.interval[0] - 1e-6)
    high = training_worth(index, models, questions_of(index), sure.interval[0] + 1e-6)
    assert (low.share, high.share) == (1.0, 0.0) and low.interval == high.interval == sure.interval
    assert "no sure gain of more than 1 point (+" in str(replace(high, bar=0.01))


def test_a_few_documents_prove_nothing(index: Index, model: Model) -> None:
    few = training_worth(index, {0.0: spoiled(model), 1.0: model}, questions_of(index)[:5], 0.0)
    assert few == TrainingWorth(0.0, 1.0, few.difference, None, 5)
    assert "Too few documents" in str(few)
