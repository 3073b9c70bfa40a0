"""The gate refuses what was made worse on purpose, each for its own reason, and lets an equal through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from assets.lib import runner
from genret_ops.errors import GateRefused
from genret_ops.evaluation.model_metrics import Question, questions, reachable, reciprocal_ranks
from genret_ops.lexical.bm25 import tokenize
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.promotion.gate import Opponent, _with_sentences_withheld, _worth_its_cost, judge, judge_patch
from genret_ops.promotion.judgments import heldout_queries
from genret_ops.records import SyntheticQuery
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Criterion, Verdict
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.retriever import Answer, Retriever
from genret_ops.settings import GateSettings
from genret_ops.synthesis.queries import withheld_sentences
from tests.support.releases import another

Judge = Callable[[Model], Verdict]


class RememberingEncoder(Encoder):
    """Encodes each text once: every judgment here asks the same questions."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder.base, encoder.tokenizer, encoder.limit)
        self._vectors = dict[str, np.ndarray]()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if new := [text for text in dict.fromkeys(texts) if text not in self._vectors]:
            self._vectors.update(zip(new, super().encode(new), strict=True))
        return np.stack([self._vectors[text] for text in texts])


@pytest.fixture(scope="module")
def opened(small_home: Path) -> tuple[Index, Model]:
    retriever = open_release(Home(small_home))[1]
    return retriever.index, replace(retriever.model, encoder=RememberingEncoder(retriever.model.encoder))


@pytest.fixture(scope="module")
def probes(opened: tuple[Index, Model]) -> list[Question]:
    """A question about every passage: its longest sentence."""
    head = opened[0].head
    rows = [
        SyntheticQuery(max(passage.sentences, key=len), "sentence", (passage.passage_id,), "gate", "test", 0)
        for docid, passage in enumerate(head.passages)
        if head.live[docid]
    ]
    return questions(head, rows, 1000)


@pytest.fixture(scope="module")
def judged(opened: tuple[Index, Model], probes: list[Question]) -> Judge:
    """The verdict on a model, compared with the one of the home."""
    index, champion = opened

    def judged(model: Model) -> Verdict:
        settings = GateSettings(speed=0.1)
        return verdict_of(index, model, {"champion": (index, champion)}, probes, settings)

    return judged


def with_rows(model: Model, change: Callable[[Rows], np.ndarray]) -> Model:
    rows = model.scorer.rows
    return replace(model, scorer=RowScorer(Rows(change(rows), rows.starts), model.scorer.scale))


def refused(verdict: Verdict) -> set[str]:
    return {criterion.name for criterion in verdict.criteria if not criterion.passed}


def test_an_equal_passes(opened: tuple[Index, Model], judged: Judge) -> None:
    verdict = judged(opened[1])
    assert verdict.refusals == []
    names = [criterion.name for criterion in verdict.criteria]
    assert names == [
        "reachable",
        "worth its cost",
        "answers against the champion",
        "memory against the champion",
        "speed",
    ]
    assert Verdict.from_json(verdict.as_json()) == verdict


def test_shuffled_labels_are_refused(opened: tuple[Index, Model], judged: Judge) -> None:
    rng = np.random.default_rng(0)
    worse = replace(with_rows(opened[1], lambda rows: rng.permutation(rows.vectors)), default_mode="generative")
    assert {"reachable", "answers against the champion", "memory against the champion"} <= refused(judged(worse))


def test_half_of_the_passages_out_of_reach_are_refused(opened: tuple[Index, Model], judged: Judge) -> None:
    def half(rows: Rows) -> np.ndarray:
        lost = rows.vectors.copy()
        for docid in range(0, len(rows), 2):
            lost[rows.starts[docid] : rows.starts[docid + 1]] *= -1
        return lost

    verdict = judged(with_rows(opened[1], half))
    assert "reachable" in refused(verdict)
    (reached,) = [criterion for criterion in verdict.criteria if criterion.name == "reachable"]
    assert reached.value == pytest.approx(0.5, abs=0.1)


def test_a_lost_half_of_what_questions_need_together_is_refused(
    opened: tuple[Index, Model], probes: list[Question]
) -> None:
    """The first passage of each pair is found as before, so that no reciprocal rank says what is gone."""
    index, champion = opened[0], replace(opened[1], default_mode="generative")
    pairs = [
        Question(f"{first.text} {second.text}", first.right | second.right, first.document, together=True)
        for first, second in zip(probes[::2], probes[1::2], strict=False)
    ]
    lost = [docid for second in probes[1::2] for docid in second.right]

    def without(rows: Rows) -> np.ndarray:
        vectors = rows.vectors.copy()
        for docid in lost:
            vectors[rows.starts[docid] : rows.starts[docid + 1]] *= -1
        return vectors

    settings = GateSettings(speed=0.1, reached=0.1)
    opponents = {"champion": (index, champion)}
    assert "sets against the champion" in {
        criterion.name for criterion in verdict_of(index, champion, opponents, pairs, settings).criteria
    }
    verdict = verdict_of(index, with_rows(champion, without), opponents, pairs, settings)
    (sets,) = [criterion for criterion in verdict.criteria if criterion.name == "sets against the champion"]
    assert not sets.passed and sets.value < -0.5
    assert "answers against the champion" not in refused(verdict)


def test_many_small_losses_are_seen_against_the_reference(opened: tuple[Index, Model], probes: list[Question]) -> None:
    """Ten releases that each lose a little pass against the one before; the first of the generation remembers."""
    index, reference = opened
    settings = GateSettings(speed=0.01, reached=0.0, tolerance=0.05)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(index.head)).tolist()
    champion, refusals = replace(reference, default_mode="generative"), list[set[str]]()
    first = champion
    for step in range(10):
        lost = order[step * len(order) // 20 : (step + 1) * len(order) // 20]

        def without(rows: Rows, lost: list[int] = lost) -> np.ndarray:
            vectors = rows.vectors.copy()
            for docid in lost:
                vectors[rows.starts[docid] : rows.starts[docid + 1]] *= -1
            return vectors

        model = with_rows(champion, without)
        others = {"champion": (index, champion), "reference": (index, first)}
        refusals.append(refused(verdict_of(index, model, others, probes, settings)))
        champion = model
    alone = [names & {"answers against the champion", "memory against the champion"} for names in refusals]
    assert not any(alone), "each step is within the tolerance"
    assert "memory against the reference" in refusals[-1]


def test_reach_is_measured_on_new_passages_alone_where_asked(opened: tuple[Index, Model]) -> None:
    index, model = opened
    last = len(index.head) - 1
    broken = with_rows(
        model, lambda rows: np.concatenate([rows.vectors[: rows.starts[last]], -rows.vectors[rows.starts[last] :]])
    )
    assert reachable(index, broken, 1000, [last]) == 0.0
    assert reachable(index, broken, 1000) == pytest.approx(1 - 1 / index.head.live.sum(), abs=0.03)
    assert reachable(index, model, 1000, []) == 1.0


def test_there_is_no_way_around(home_copy: Path) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    number = another(home, 1, 0, judged=False)
    with pytest.raises(GateRefused, match="never judged"):
        runner.promote(home, "candidate", "a try")
    release = registry.release(number)
    whole = replace(release, folder=release.folder)
    verdict = judge_patch(open_release(home)[1].index, whole)
    assert verdict.snapshot == release.delta
    registry.record_verdict(number, replace(verdict, criteria=(replace(verdict.criteria[0], passed=False),)), "test")
    with pytest.raises(GateRefused, match="reachable"):
        runner.promote(home, f"r{number}", "a try")
    assert registry.alias("champion") == 1
    assert runner.promote(home, f"r{number}", "a try", waiver="on purpose").number == number
    assert registry.events("promoted")[-1].facts["reason"].endswith("; waived: on purpose")
    assert runner.rollback(home, "it was bad").number == 1
    assert registry.events("promoted")[-1].facts["reason"] == "it was bad", "nothing had to be waived"
    assert registry.problems() == []


def verdict_of(
    index: Index, model: Model, others: Mapping[str, Opponent], probes: Sequence[Question], settings: GateSettings
) -> Verdict:
    """The verdict where no sentence is withheld and nothing else is asked."""
    ranks = reciprocal_ranks(index, model, probes)
    return judge("0" * 64, "delta-00000", index, model, others, probes, settings, ranks, {})


def worth(ranks: dict[str, list[float]], mode: str, simpler: dict[str, list[float]] | None = None) -> Criterion:
    """The criterion on forty questions about ten documents, with these reciprocal ranks in turn."""
    probes = [Question("q", frozenset({0}), str(number % 10)) for number in range(40)]
    scores = {name: np.resize(np.array(values), 40) for name, values in ranks.items()}
    others = {name: np.resize(np.array(values), 40) for name, values in (simpler or {}).items()}
    return _worth_its_cost(scores, others, mode, probes)


def test_a_model_has_to_be_worth_its_cost() -> None:
    """Refused where what is served is surely worse than without a model, however little; not where nobody can tell."""
    surely = worth({"hybrid": [0.495], "generative": [0.9], "lexical": [0.5]}, "hybrid")
    assert not surely.passed and (surely.value, surely.bound) == (pytest.approx(-0.005), 0.0)
    unsure = worth({"hybrid": [0.0, 0.9], "generative": [0.0], "lexical": [0.5]}, "hybrid")
    assert unsure.passed and unsure.value == pytest.approx(-0.05) and "95 % interval -" in unsure.detail
    assert worth({"hybrid": [0.6], "generative": [0.0], "lexical": [0.5]}, "hybrid").passed


def test_what_needs_no_training_is_asked_too_and_the_nearest_decides() -> None:
    ours = {"hybrid": [0.6], "generative": [0.0], "lexical": [0.5]}
    near = worth(ours, "hybrid", {"dense": [0.3], "fused_untrained": [0.55]})
    assert near.passed and near.value == pytest.approx(0.05) and "of hybrid over fused_untrained" in near.detail
    better = worth(ours, "hybrid", {"dense": [0.3], "lancedb_hybrid": [0.61]})
    assert not better.passed and "over lancedb_hybrid" in better.detail


def test_whether_it_is_worth_its_cost_is_asked_without_the_sentences_that_queries_were_made_from(
    small_home: Path,
) -> None:
    """For every second query: words would win by construction."""
    home = Home(small_home)
    release, retriever = open_release(home)
    queries, head = heldout_queries(home.store, release), retriever.index.head
    withheld = withheld_sentences(head, queries)
    index, model = _with_sentences_withheld(home.path, release, retriever.index, queries)
    assert withheld and index.head.passages != head.passages
    bodies = (each.scorer.bodies(np.arange(len(head))) for each in (model, retriever.model))
    moved = np.flatnonzero(~np.isclose(*bodies, atol=1e-3).all(axis=1))
    assert set(moved.tolist()) <= set(withheld) and len(moved) > len(withheld) / 2
    for docid, sentences in withheld.items():
        for sentence in sentences:
            aware, unaware = (each.lexical.scores(tokenize([sentence])[0])[docid] for each in (retriever.index, index))
            assert unaware < aware
    same, _ = _with_sentences_withheld(home.path, release, retriever.index, [])
    assert same is retriever.index


def test_where_the_words_alone_are_served_the_verdict_says_so() -> None:
    better = worth({"hybrid": [0.2], "generative": [0.6], "lexical": [0.5]}, "lexical")
    assert better.passed and "of generative over" in better.detail and "does not earn its place" in better.detail
    worse = worth({"hybrid": [0.4], "generative": [0.3], "lexical": [0.5]}, "lexical")
    assert not worse.passed and worse.value == pytest.approx(-0.1), "and not 0, of the stack over itself"


def test_a_patch_of_a_refused_release_is_refused_as_well(home_copy: Path, tmp_path: Path) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    number = another(home, 1, 0, judged=False)
    release = registry.release(number)
    refusal = Criterion("reachable", 0.1, 0.95, False, "made worse")
    registry.record_verdict(number, Verdict(release.content_hash, release.delta, (refusal,)), "test")
    runner.promote(home, f"r{number}", "a test", waiver="on purpose")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    patched = runner.ingest(home, [str(tmp_path / "more")]).release
    assert patched is not None and patched.parent == number, "what was let in is served on"
    runner.rollback(home, "it was bad")
    with pytest.raises(GateRefused, match="made worse"):
        runner.promote(home, f"r{number}", "once more")
    with pytest.raises(GateRefused, match="made worse"):
        runner.promote(home, f"r{patched.number}", "once more")


def test_a_model_is_let_in_after_one_that_served_words_alone(small_home: Path, probes: list[Question]) -> None:
    """Which encodes nothing, and so answers in a fraction of the time."""
    retriever = open_release(Home(small_home))[1]
    index, model = retriever.index, retriever.model
    others = {"champion": (index, replace(model, default_mode="lexical"))}
    served = replace(model, default_mode="hybrid")
    verdict = verdict_of(index, served, others, probes, GateSettings())
    assert {criterion.name: criterion.passed for criterion in verdict.criteria}["speed"]


def test_a_machine_that_is_busy_at_times_is_not_the_models_fault(
    opened: tuple[Index, Model], probes: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three turns at a question, two of its own answers take fifty times as long, and one of the champion's."""
    search, calls = Retriever.search, count()

    def slow(self: Retriever, text: str, mode: str) -> Answer:
        answer = search(self, text, mode=mode)
        return replace(answer, seconds={"total": answer.seconds["total"] * (50 if next(calls) % 6 in {0, 1, 2} else 1)})

    monkeypatch.setattr(Retriever, "search", slow)
    index, model = opened
    verdict = verdict_of(index, model, {"champion": (index, model)}, probes, GateSettings())
    assert {criterion.name: criterion.passed for criterion in verdict.criteria}["speed"]
    assert next(calls) == 120


def test_a_model_that_always_takes_three_times_as_long_is_refused(
    opened: tuple[Index, Model], probes: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, (index, model) = Retriever.search, opened
    slower = replace(model)

    def slow(self: Retriever, text: str, mode: str) -> Answer:
        answer = search(self, text, mode=mode)
        return replace(answer, seconds={"total": 3.0 if self.model is slower else 1.0})

    monkeypatch.setattr(Retriever, "search", slow)
    verdict = verdict_of(index, slower, {"champion": (index, model)}, probes, GateSettings())
    assert [criterion.name for criterion in verdict.criteria if not criterion.passed] == ["speed"]
