"""The gate: what a release must meet to become champion, each criterion with its value and its bound.

A release is compared with the champion, and also with the first release of its generation, so that small losses cannot
add up. All of them answer the same questions on the release's own corpus head. Whether it is worth its cost is asked
with the sentences withheld that queries were made from. To add a criterion, measure it here and
return it from `judge`; the registry stores and enforces whatever criteria a verdict holds. This module does not know
what a promotion is.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from genret_ops.corpus.labels import read_labels
from genret_ops.errors import BrokenRelease, ReleaseRetired
from genret_ops.evaluation.model_metrics import (
    Question,
    complete,
    questions,
    ranked,
    ranks_of,
    reachable,
    reciprocal_ranks,
    written,
)
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.modeling.docid_head import finished_rows
from genret_ops.promotion.alternatives import alternatives
from genret_ops.promotion.judgments import heldout_queries, label_questions
from genret_ops.records import SyntheticQuery
from genret_ops.registry.ancestry import reference
from genret_ops.registry.home import Home
from genret_ops.registry.loading import model_on, release_index, unlearned_rows
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.verdict import REFERENCE, Criterion, Verdict, criterion_name
from genret_ops.retrieval.artifacts import Model, load_model, read_search
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import GateSettings
from genret_ops.synthesis.queries import MIN_GATE_DOCUMENTS, withheld_sentences
from genret_ops.text import plural

LABELS_HELP = "labels"
"""Name of the criterion that labels make no answer worse."""
Ranks = Mapping[str, np.ndarray]
"""Reciprocal rank of each question, by system or mode."""
Opponent = tuple[Index, Model]
"""What a release is compared with: an index of the same head under its own retrieval settings, and its model."""
_LABELS_DRAWN = 100
"""How many labelled questions an update asks at most."""
_TIMED, _TURNS = 20, 3
"""How many questions are timed, and how often each release answers each."""
_PATCH_SAMPLE, _PATCH_FEWEST, _PATCH_REACHED = 16, 8, 0.8
"""Of a patch: passages to draw, passages that prove anything, and the share of them that it has to reach."""


def judge_release(home: Home, release: Release, settings: GateSettings) -> Verdict:
    """The full verdict on a trained release: on questions held out from its training, and on users' labels.

    Args:
        home: the home.
        release: the release, which is not a patch.
        settings: tolerances and sample sizes.

    Raises:
        BrokenRelease: its files are not what was sealed.

    Example:
        >>> verdict = judge_release(home, home.registry.release("candidate"), home.settings.gate)
        >>> verdict.refusals
        ['reachable: share of passages that generation finds by their longest sentence (0.8120, at least 0.9500)']
    """
    registry = home.registry
    registry.verify(release)
    index = release_index(home, release)
    compared = dict[str, Release]()
    if (champion := registry.champion()) is not None:
        compared["champion"] = champion
    if (first := reference(registry, release.number)).number != release.number:
        compared[REFERENCE] = first
    opponents, broken = dict[str, Opponent](), list[Criterion]()
    for name, other in compared.items():
        try:
            registry.verify(other)
            other_settings = read_search(other.folder).retrieval_settings
            other_index = open_or_make_index(home, release.head, other_settings, index)
            opponents[name] = other_index, model_on(home.path, other, other_index.head)
        except (BrokenRelease, ReleaseRetired) as error:  # it cannot answer, so there is nothing to compare
            detail = f"not compared: {error}"
            broken.append(Criterion(criterion_name("answers", name), 0.0, 0.0, True, detail, compared=False))
    labelled, made = label_questions(index.head, read_labels(home.path)), heldout_queries(home.store, release)
    probes = labelled + questions(index.head, made, settings.questions)
    model = load_model(release.folder)
    other_index, other_model = _with_sentences_withheld(home.path, release, index, made)
    unaware = reciprocal_ranks(other_index, other_model, probes)
    simpler = alternatives(home.path, other_index, release.manifest().trained_under(), probes)
    verdict = judge(release.content_hash, release.delta, index, model, opponents, probes, settings, unaware, simpler)
    against = champion.model if champion is not None else None
    return replace(verdict, criteria=(*verdict.criteria, *broken), against=against)


def _with_sentences_withheld(
    home: Path, release: Release, index: Index, queries: Sequence[SyntheticQuery]
) -> tuple[Index, Model]:
    """Index and model without the sentences that every second query was made from.

    A query that is made from a sentence shares words with it by construction, so systems of words would win.
    """
    model = load_model(release.folder)
    withheld = withheld_sentences(index.head, queries)
    if not withheld:
        return index, model
    head, docids = index.head.without(withheld), sorted(withheld)
    fresh, _ = unlearned_rows(home, release, head, docids)
    rows = finished_rows(release.folder).merged(fresh, np.array(docids))
    return Index(head, index.settings, build_lexical(head)), model.with_rows(rows, head.live)


def judge_patch(index: Index, release: Release, since: int = 0, labelled: Sequence[Question] = ()) -> Verdict:
    """The light verdict on a patch, whose model was judged before: can generation reach what is new on its head?

    Args:
        index: the index of its head.
        release: the patch.
        since: the first docid that came after the release that is patched. Docids from there on are tried; if they are
            too few to prove anything, every docid that the model did not learn.
        labelled: labelled questions that the release remembers and that no release was judged by before.
    """
    model = load_model(release.folder)
    unlearned = [docid for docid in np.flatnonzero(index.head.live).tolist() if docid not in model.known]
    newest = [docid for docid in unlearned if docid >= since]
    tried = newest if len(newest) >= _PATCH_FEWEST else unlearned
    value = reachable(index, model, _PATCH_SAMPLE, tried)
    detail = "share of fresh passages that the model alone finds by their longest sentence"
    compared = value >= _PATCH_REACHED or len(tried) >= _PATCH_FEWEST
    if not compared:
        detail += f", not compared: {plural(len(tried), 'passage')} cannot prove anything, and words find them"
    passed = value >= _PATCH_REACHED or not compared
    criteria = [Criterion("reachable", value, _PATCH_REACHED, passed, detail, compared)]
    if labelled:
        criteria.append(_labels_help(index, model, labelled))
    return Verdict(release.content_hash, release.delta, tuple(criteria))


def judge(
    content_hash: str,
    snapshot: str,
    index: Index,
    model: Model,
    opponents: Mapping[str, Opponent],
    questions: Sequence[Question],
    settings: GateSettings,
    unaware: Ranks,
    simpler: Ranks,
) -> Verdict:
    """Measure a release on its corpus head, criterion by criterion.

    Args:
        content_hash: the release's content hash.
        snapshot: the snapshot that it stands on.
        index: the index of that snapshot.
        model: the release's model.
        opponents: what it is compared with, by role (`champion`, `reference`).
        questions: questions with known answers, which no training has seen.
        settings: tolerances and sample sizes.
        unaware: reciprocal ranks of the model without the sentences that questions were made from, by mode.
        simpler: reciprocal ranks of systems without training, likewise, by name.
    """
    criteria: list[Criterion | None] = [
        _reachable(index, model, opponents, settings),
        _writable(index, model, settings),
    ]
    if questions:
        runs = ranked(index, model, questions)
        ours = {mode: ranks_of(each, questions) for mode, each in runs.items()}
        together = np.array([question.together for question in questions])
        criteria.append(_worth_its_cost(unaware, simpler, model.default_mode, questions))
        for name, (other_index, other) in opponents.items():
            their_runs = ranked(other_index, other, questions)
            theirs = {mode: ranks_of(each, questions) for mode, each in their_runs.items()}
            known = np.array([question.right <= other.known for question in questions])
            served = ours[model.default_mode], theirs[other.default_mode]
            generated = ours["generative"], theirs["generative"]
            criteria.append(_not_worse("answers", name, served, questions, np.ones_like(known), settings))
            if together.any():
                whole = (
                    complete(runs[model.default_mode], questions),
                    complete(their_runs[other.default_mode], questions),
                )
                criteria.append(_not_worse("sets", name, whole, questions, together, settings))
            if (model.writer is None) == (other.writer is None):
                criteria.append(_not_worse("memory", name, generated, questions, known, settings))
    if "champion" in opponents:
        criteria.append(_fast_enough(index, model, opponents["champion"], questions, settings))
    return Verdict(content_hash, snapshot, tuple(criterion for criterion in criteria if criterion is not None))


def is_outdated(registry: Registry, release: Release) -> bool:
    """Whether a release has to be judged again.

    That is so if it was compared with a model other than that of today's champion, and its own was never champion.
    """
    verdict, champion = registry.verdict(release.number), registry.champion()
    if verdict is None or verdict.against is None or champion is None:
        return False
    models = {other.number: other.model for other in registry.releases()}
    promoted = {models[event.release or 0] for event in registry.events("promoted")}
    return verdict.against != champion.model and release.model not in promoted


def _reachable(index: Index, model: Model, opponents: Mapping[str, Opponent], settings: GateSettings) -> Criterion:
    value = reachable(index, model, settings.reached_sample)
    best = max((reachable(index, other, settings.reached_sample) for _, other in opponents.values()), default=1.0)
    bound = min(settings.reached, best - settings.tolerance)
    detail = "share of passages that the model alone finds by their longest sentence"
    return Criterion("reachable", value, bound, value >= bound, detail)


def _writable(index: Index, model: Model, settings: GateSettings) -> Criterion | None:
    """How many passages the language model finds, if there is one; nothing is refused for it: rows find the others."""
    if model.writer is None:
        return None
    value = written(index, model.writer, settings.reached_sample)
    detail = "share of passages whose identifier the language model writes for their longest sentence"
    return Criterion("writable", value, 0.0, True, detail, compared=False)


def _labels_help(index: Index, model: Model, questions: Sequence[Question]) -> Criterion:
    """Whether what was labelled helps to answer other questions that were: each is asked without its own label."""
    drawn = random.Random(0).sample(list(questions), min(_LABELS_DRAWN, len(questions)))
    unlabelled = replace(model, labelled=LabelledQuestions.none())
    ours, theirs = (reciprocal_ranks(index, each, drawn)[model.default_mode] for each in (model, unlabelled))
    detail = "MRR@10 of labelled questions, each without its own label, over the same without any"
    return _difference(LABELS_HELP, detail, ours, theirs, drawn, 0.0)


def _worth_its_cost(ours: Ranks, simpler: Ranks, mode: str, questions: Sequence[Question]) -> Criterion:
    """Whether the model earns its place against the same stack without it, and against what needs no training.

    The system that comes nearest decides, or one that is surely better.

    Args:
        ours: reciprocal ranks by mode, each of shape (questions,).
        simpler: reciprocal ranks of systems without training, by name, each of shape (questions,).
        mode: the served mode; for `lexical`, the better of the modes that use the model is compared.
        questions: the questions.
    """
    detail = "MRR@10 of {} over {}"
    if mode == "lexical":
        mode = max(("hybrid", "generative"), key=lambda name: float(ours[name].mean()))
        detail += "; words alone were surely better in tuning and are served, so the model does not earn its place"
    criteria = [
        _difference("worth its cost", detail.format(mode, name), ours[mode], ranks, questions, 0.0)
        for name, ranks in {"the stack without a model": ours["lexical"], **simpler}.items()
    ]
    return min(criteria, key=lambda criterion: (criterion.passed, criterion.value))


def _not_worse(
    name: str,
    opponent: str,
    scores: tuple[np.ndarray, np.ndarray],
    questions: Sequence[Question],
    chosen: np.ndarray,
    settings: GateSettings,
) -> Criterion:
    """The difference to an opponent on some of the questions.

    Args:
        name: `answers` or `sets` (the served modes), or `memory` (the generative modes).
        opponent: its role.
        scores: those of the release and of the opponent, each of shape (questions,): reciprocal ranks, or for `sets`
            whether all that a question needs is among the first ten.
        questions: the questions.
        chosen: which of them count, boolean, shape (questions,).
        settings: the tolerance.
    """
    positions: list[int] = np.flatnonzero(chosen).tolist()
    details = {
        "answers": "MRR@10 of the served mode",
        "sets": "All@10 of the served mode on questions that need several passages",
        "memory": f"MRR@10 of the model alone on what the {opponent} had learned",
    }
    ours, theirs = scores[0][positions], scores[1][positions]
    compared = [questions[position] for position in positions]
    return _difference(criterion_name(name, opponent), details[name], ours, theirs, compared, settings.tolerance)


def _difference(
    name: str, detail: str, ours: np.ndarray, theirs: np.ndarray, questions: Sequence[Question], tolerance: float
) -> Criterion:
    """A paired difference, resampled by document: refused if it is worse than tolerated, and surely worse."""
    documents, bound = [question.document for question in questions], 0.0 - tolerance
    if (count := len(set(documents))) < MIN_GATE_DOCUMENTS:
        reason = f"questions about {plural(count, 'document')}, and fewer than {MIN_GATE_DOCUMENTS} prove nothing"
        return Criterion(name, 0.0, bound, True, f"{detail}, not compared: {reason}", compared=False)
    mean, low, high = paired_bootstrap(ours.tolist(), theirs.tolist(), documents)
    detail += f", difference on {plural(len(questions), 'question')}, 95 % interval {low:+.4f} to {high:+.4f}"
    return Criterion(name, mean, bound, mean >= bound or high >= 0, detail)


def _fast_enough(
    index: Index, model: Model, champion: Opponent, questions: Sequence[Question], settings: GateSettings
) -> Criterion | None:
    """How quickly the release answers, compared with the champion.

    Both answer in the release's default mode, since words alone take a tenth of the time. They take turns, and the
    quickest turn of each counts: the model is not to blame for a busy machine.
    """
    texts = [question.text for question in questions[:_TIMED]]
    if not texts:
        return None
    retrievers = [Retriever(index, model), Retriever(*champion)]
    ratios = list[float]()
    for text in texts:
        turns = [
            [retriever.search(text, mode=model.default_mode).seconds["total"] for retriever in retrievers]
            for _ in range(_TURNS)
        ]
        ours, theirs = map(min, zip(*turns, strict=True))
        ratios.append(theirs / ours)
    ratio = median(ratios)
    detail = "the champion's time for an answer divided by this release's, median over the questions"
    return Criterion("speed", ratio, settings.speed, ratio >= settings.speed, detail)
