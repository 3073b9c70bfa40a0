"""The gate: what a release must pass to become champion, each criterion with its value, its bound and its verdict.

A release is judged against the champion, and against the release that its generation began with, so that small
losses cannot add up; all of them on the release's own corpus head and on the same questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from genret_ops.errors import BrokenRelease, ReleaseRetired
from genret_ops.evaluation.model_metrics import Question, questions, reachable, reciprocal_ranks
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.promotion.heldout import heldout
from genret_ops.promotion.labels import labelled, read_labels
from genret_ops.registry.ancestry import reference
from genret_ops.registry.loading import model_on
from genret_ops.registry.store import CHAMPION, Registry, Release
from genret_ops.registry.verdict import Criterion, Verdict
from genret_ops.retrieval.artifacts import load_model, read_search
from genret_ops.retrieval.index import Index, Model
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import GateSettings, RetrievalSettings
from genret_ops.storage.home import Home
from genret_ops.synthesis.queries import FEWEST

Other = tuple[Index, Model]
_TIMED, _TURNS = 20, 3
"""Questions that are timed, and how often each release answers one."""
_PATCH_SAMPLE, _PATCH_FEWEST, _PATCH_REACHED = 16, 8, 0.8


def judge_release(home: Home, registry: Registry, release: Release, settings: GateSettings) -> Verdict:
    """The verdict on a trained release, asked what was held out from its training and what users labelled.

    Raises:
        BrokenRelease: its files are not what was sealed, so nobody can say what would be judged.
    """
    registry.verify(release)
    index = Index.open(home, release.head, RetrievalSettings(**read_search(release.folder).retrieval))
    compared = dict[str, Release]()
    if (champion := registry.alias(CHAMPION)) is not None:
        compared["champion"] = registry.release(champion)
    if (first := reference(registry, release.number)).number != release.number:
        compared["reference"] = first
    others, broken = dict[str, Other](), list[Criterion]()
    for name, other in compared.items():
        try:
            registry.verify(other)
            searched = RetrievalSettings(**read_search(other.folder).retrieval)
            own = Index.open(home, release.head, searched, index)
            others[name] = own, model_on(home, other, own.head)
        except (BrokenRelease, ReleaseRetired) as error:  # it cannot answer at all: nothing to lose by comparison
            broken.append(Criterion(f"answers against the {name}", 0.0, 0.0, True, f"not compared: {error}"))
    asked = labelled(index.head, read_labels(home.path)) + questions(
        index.head, heldout(home, release), settings.questions
    )
    model = load_model(release.folder)
    verdict = judge(release.content_hash, release.delta, index, model, others, asked, settings)
    against = compared["champion"].model if "champion" in compared else None
    return replace(verdict, criteria=(*verdict.criteria, *broken), against=against)


def outdated(registry: Registry, release: Release) -> bool:
    """Whether a release was compared with another model than the champion's of now, and never was champion itself."""
    verdict, champion = registry.verdict(release.number), registry.alias(CHAMPION)
    if verdict is None or verdict.against is None or champion is None:
        return False
    known = {one.number: one.model for one in registry.releases()}
    before = {known[event.release or 0] for event in registry.events("promoted")}
    return verdict.against != known[champion] and release.model not in before


def judge_patch(index: Index, release: Release, since: int = 0) -> Verdict:
    """The light verdict on a release whose model was judged before: is what is new on its head within reach?

    Asked are docids from `since` on, which have come after what it was put on, and all that no training knew where
    these are too few to prove anything.
    """
    model = load_model(release.folder)
    new = [docid for docid in np.flatnonzero(index.head.live).tolist() if docid not in model.known]
    last = [docid for docid in new if docid >= since]
    new = last if len(last) >= _PATCH_FEWEST else new
    value = reachable(index, model, _PATCH_SAMPLE, new)
    told, passed = "share of new passages that their own sentence reaches", value >= _PATCH_REACHED
    if not passed and len(new) < _PATCH_FEWEST:
        told, passed = f"{told}, not compared: {len(new)} prove nothing, and words reach them", True
    criterion = Criterion("reachable", value, _PATCH_REACHED, passed, told)
    return Verdict(release.content_hash, release.delta, (criterion,))


def judge(
    content_hash: str,
    snapshot: str,
    index: Index,
    model: Model,
    others: Mapping[str, Other],
    asked: Sequence[Question],
    settings: GateSettings,
) -> Verdict:
    """Measure a release on its corpus head.

    Args:
        others: what it is compared with, by what they are (`champion`, `reference`), each with an index of the same
            head under its own settings of retrieval.
        asked: questions with known answers, which no training has seen.
    """
    found: list[Criterion | None] = [_reachable(index, model, others, settings)]
    if asked:
        own = reciprocal_ranks(index, model, asked)
        found.append(_worth_its_cost(own, model.default_mode, asked))
        for name, (beside, other) in others.items():
            theirs = reciprocal_ranks(beside, other, asked)
            known = np.array([question.right <= other.known for question in asked])
            served = own[model.default_mode], theirs[other.default_mode]
            generated = own["generative"], theirs["generative"]
            found.append(_not_worse("answers", name, served, asked, np.ones_like(known), settings))
            found.append(_not_worse("memory", name, generated, asked, known, settings))
    if "champion" in others:
        found.append(_fast(index, model, others["champion"], asked, settings))
    return Verdict(content_hash, snapshot, tuple(criterion for criterion in found if criterion is not None))


def _reachable(index: Index, model: Model, others: Mapping[str, Other], settings: GateSettings) -> Criterion:
    value = reachable(index, model, settings.reached_sample)
    best = max((reachable(index, other, settings.reached_sample) for _, other in others.values()), default=1.0)
    bound = min(settings.reached, best - settings.tolerance)
    return Criterion("reachable", value, bound, value >= bound, "share of passages that their own sentence reaches")


def _worth_its_cost(own: Mapping[str, np.ndarray], mode: str, asked: Sequence[Question]) -> Criterion:
    """The served mode, or the better of those that use the model, against the same stack without it."""
    told = "MRR@10 of {} over the stack without a model"
    if mode == "lexical":
        mode = max(("hybrid", "generative"), key=lambda one: float(own[one].mean()))
        told += "; words alone were surely better in tuning and are served: the model does not earn its place"
    return _compared("worth its cost", told.format(mode), own[mode], own["lexical"], asked, 0.0)


def _not_worse(
    name: str,
    other: str,
    scores: tuple[np.ndarray, np.ndarray],
    asked: Sequence[Question],
    chosen: np.ndarray,
    settings: GateSettings,
) -> Criterion:
    """The difference on the chosen questions."""
    places: list[int] = np.flatnonzero(chosen).tolist()
    what = {"answers": "MRR@10 of what is served", "memory": "MRR@10 of generation on what it had learned"}[name]
    ours, theirs = scores[0][places], scores[1][places]
    of = [asked[place] for place in places]
    return _compared(f"{name} against the {other}", what, ours, theirs, of, settings.tolerance)


def _compared(
    name: str, what: str, ours: np.ndarray, theirs: np.ndarray, asked: Sequence[Question], tolerance: float
) -> Criterion:
    """A paired difference, resampled by document: refused where it is worse than tolerated, and surely worse."""
    documents, bound = [question.document for question in asked], 0.0 - tolerance
    if (count := len(set(documents))) < FEWEST:
        told = f"{what}, not compared: questions about {count} documents, and fewer than {FEWEST} prove nothing"
        return Criterion(name, 0.0, bound, True, told)
    mean, low, high = paired_bootstrap(ours.tolist(), theirs.tolist(), documents)
    told = f"{what}, difference on {len(asked)} questions, 95 % interval {low:+.4f} to {high:+.4f}"
    return Criterion(name, mean, bound, mean >= bound or high >= 0, told)


def _fast(
    index: Index, model: Model, champion: Other, asked: Sequence[Question], settings: GateSettings
) -> Criterion | None:
    """Both answer in the release's default mode, since one that serves words alone takes a tenth of the time; and each
    question in turns, of which the quickest count: what else the machine does is not the model's fault."""
    texts = [question.text for question in asked[:_TIMED]]
    if not texts:
        return None
    retrievers = [Retriever(index, model), Retriever(*champion)]
    ratios = list[float]()
    for text in texts:
        turns = [
            [one.search(text, mode=model.default_mode).seconds["total"] for one in retrievers] for _ in range(_TURNS)
        ]
        ours, theirs = map(min, zip(*turns, strict=True))
        ratios.append(theirs / ours)
    ratio, told = median(ratios), "time of the champion's answers over its own, median over questions"
    return Criterion("speed", ratio, settings.speed, ratio >= settings.speed, told)
