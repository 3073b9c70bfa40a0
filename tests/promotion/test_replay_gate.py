"""An update that is trained without replay forgets, and the gate says so; the same update with replay passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.lib import runner
from genret_ops.evaluation.model_metrics import Question, questions, reciprocal_ranks
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.promotion.gate import judge
from genret_ops.records import SyntheticQuery
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.verdict import Criterion
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.settings import GateSettings
from genret_ops.synthesis.queries import lexical_neighbours, membership, write_queries
from genret_ops.training import sft
from genret_ops.training.dataset import genesis_rows, prepare_job

FIRST, STEPS = 12, 20
FAST = {"lr_adapter": 2.5e-3, "lr_map": 2.5e-3, "lr_residual": 1e-2}
"""Five times the rates of the defaults: so few steps forget enough to see it."""
PLACES = ("Lisbon", "Oslo", "Prague", "Dublin", "Vienna", "Athens", "Riga", "Bern", "Turin")


@pytest.fixture
def home(home_copy: Path, tmp_path: Path) -> Home:
    """A home to which documents have come that say much the same as those that it knows."""
    home, folder = Home(home_copy), tmp_path / "more"
    folder.mkdir()
    for number, place in enumerate(PLACES):
        text = f"The inspector came to {place} on day {100 + number}. People of {place} showed the shelves and lamps."
        (folder / f"visit-{number}.md").write_text(f"# Visit {number}\n\n{text} Room {200 + number} stays locked.\n")
    runner.ingest(home, [str(folder)])
    return home


def sentence_questions(index: Index) -> list[Question]:
    """Every sentence of every passage, as a question about it."""
    rows = [
        SyntheticQuery(sentence, "sentence", (passage.passage_id,), "gate", "test", 0)
        for docid, passage in enumerate(index.head.passages)
        if index.head.live[docid]
        for sentence in passage.sentences
    ]
    return questions(index.head, rows, 1000)


def trained(home: Home, index: Index, like: Model, folder: Path, share: float | None = None) -> Model:
    """A model like another, trained from genesis, or grown from the one in `first`, with that share of replay."""
    head, settings = index.head, home.settings.with_training(steps=FIRST, update_steps=STEPS, replay=share, **FAST)
    near, parent = lexical_neighbours(head, index.lexical), None if share is None else folder.parent / "first" / "sft"
    queries = write_queries(head, near, settings, like.known if parent else None)
    if parent is None:
        queries = [one for one in queries if not {numbered(index)[own] for own in one.positives} - like.known]
    rows = genesis_rows(home.path, head, settings)[0]
    job = prepare_job(folder, settings, rows, queries, numbered(index), near, membership(head), parent)
    sft.train(job, lambda done, total, loss: None)
    encoder, learned = job.learned("sft")
    return replace(like, encoder=encoder, scorer=RowScorer(learned.finished(), settings.model.scale))


def numbered(index: Index) -> dict[str, int]:
    return {passage.passage_id: docid for docid, passage in enumerate(index.head.passages)}


def test_an_update_without_replay_is_refused_for_what_it_forgot(home: Home, tmp_path: Path) -> None:
    retriever = open_release(home)[1]
    index = retriever.index
    champion = trained(home, index, retriever.model, tmp_path / "first")
    assert np.count_nonzero(index.head.live) - len(champion.known) == len(PLACES)
    memory = dict[float, Criterion]()
    for share in (0.0, 0.5):
        model = trained(home, index, champion, tmp_path / str(share), share)
        settings = GateSettings(speed=0.01)
        probes, others = sentence_questions(index), {"champion": (index, champion)}
        ranks = reciprocal_ranks(index, model, probes)
        verdict = judge("0" * 64, "delta-00001", index, model, others, probes, settings, ranks, {})
        (memory[share],) = [one for one in verdict.criteria if one.name == "memory against the champion"]
    assert not memory[0.0].passed and memory[0.0].value < -0.02
    assert memory[0.5].passed and memory[0.5].value > memory[0.0].value
