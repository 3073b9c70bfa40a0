"""An update grows from a causal model: it learns what is new, keeps what is old, and never writes what has left."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from genret_ops.errors import GenretError
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.modeling.causal.model import CausalModel
from genret_ops.training.causal import sft
from genret_ops.training.causal.job import CausalJob
from tests.support.tiny_causal import TinyCorpus, hits, tiny_job, tiny_settings

NEW = range(200, 220)
"""Docids that a delta brings."""
LEFT = range(0, 200, 10)
"""Docids that it takes away."""


@pytest.fixture(scope="module")
def grown() -> TinyCorpus:
    return TinyCorpus.of(220)


@pytest.fixture(scope="module")
def identifiers(tiny_model: Path, corpus: TinyCorpus, grown: TinyCorpus) -> pa.Table:
    """The identifiers of the grown corpus; those of before stay."""
    return grown.identifiers(tiny_model, corpus.identifiers(tiny_model))


@pytest.fixture(scope="module")
def updated(
    tmp_path_factory: pytest.TempPathFactory,
    learned_job: CausalJob,
    grown: TinyCorpus,
    identifiers: pa.Table,
    tiny_model: Path,
) -> CausalJob:
    """Ten per cent of new documents, learned in a third of the steps, with replay; then as many are gone."""
    steps = learned_job.sft_steps // 3
    rows = steps * learned_job.settings.training.batch // 4
    fresh = grown.questions(NEW, "train", 1, each=-(-rows // len(NEW)))
    replay = grown.questions(range(200), "train", 1, each=-(-rows // 200))
    queries = [row for pair in zip(fresh[:rows], replay[:rows], strict=True) for row in pair]
    changed = tiny_settings(tiny_model, update_steps=steps)
    live = [docid for docid in range(220) if docid not in LEFT]
    job = tiny_job(
        tmp_path_factory.mktemp("update") / "job",
        changed,
        grown,
        queries,
        identifiers,
        live,
        learned_job.folder / "sft",
        known=range(200),
    )
    sft.train(job, lambda *_: None)
    return job


def test_what_is_new_is_learned_and_what_is_old_not_surely_lost(
    updated: CausalJob, learned_job: CausalJob, grown: TinyCorpus
) -> None:
    assert len(updated.losses("sft")) <= len(learned_job.losses("sft")) / 3
    fresh = grown.questions(NEW, "gate", 0, each=5)
    assert hits(updated, "sft", fresh).mean() >= 0.6
    kept = [docid for docid in range(200) if docid not in LEFT]
    old = grown.questions(kept, "gate", 0, each=1)[:100]
    before, after = hits(learned_job, "sft", old), hits(updated, "sft", old)
    _, _, high = paired_bootstrap(after.astype(float).tolist(), before.astype(float).tolist())
    assert high >= 0


@pytest.fixture(scope="module")
def model(updated: CausalJob) -> CausalModel:
    return updated.learned("sft")


@settings(max_examples=25)
@given(st.sets(st.integers(0, 219), min_size=1, max_size=40), st.integers(0, 219), st.integers(1, 5))
def test_only_what_is_allowed_is_ever_written(
    updated: CausalJob, grown: TinyCorpus, model: CausalModel, allowed: set[int], about: int, k: int
) -> None:
    question, docids = " and ".join(grown.words[about]), np.array(sorted(allowed))
    (answer,) = model.generate([question], updated.writable, docids, k, k)
    assert len(answer) == min(k, len(allowed)) and {docid for docid, _ in answer} <= allowed
    assert [score for _, score in answer] == sorted((score for _, score in answer), reverse=True)


def test_what_has_left_is_not_written_even_where_it_is_the_answer(
    updated: CausalJob, grown: TinyCorpus, model: CausalModel
) -> None:
    questions = [" and ".join(grown.words[docid]) for docid in LEFT]
    answers = model.generate(questions, updated.writable, updated.live, 10, 10)
    assert len(answers) == len(questions)
    assert all(docid not in LEFT for answer in answers for docid, _ in answer)
    each = [np.array([docid]) for docid in LEFT]
    assert [row[0][0] for row in model.generate(questions, updated.writable, each, 1, 1)] == list(LEFT)
    with pytest.raises(GenretError, match="no identifier is allowed"):
        model.generate(questions[:1], updated.writable, np.array([], dtype=np.int64), 1, 1)


def test_an_update_is_a_mean_with_its_parent_by_its_share(tmp_path: Path, tiny_model: Path) -> None:
    corpus = TinyCorpus.of(8)
    queries = corpus.questions(range(8), "train", 0, each=2)
    parent = tiny_job(tmp_path / "parent", tiny_settings(tiny_model, steps=2, batch=8), corpus, queries)
    sft.train(parent, lambda *_: None)
    adapters = {0.0: load_file(parent.adapter("sft") / "adapter_model.safetensors")}
    for mixing in (0.25, 1.0):
        changed = tiny_settings(tiny_model, update_steps=2, batch=8, mixing=mixing)
        job = tiny_job(tmp_path / f"{mixing}", changed, corpus, queries, parent=parent.folder / "sft", known=range(4))
        sft.train(job, lambda *_: None)
        adapters[mixing] = load_file(job.adapter("sft") / "adapter_model.safetensors")
    assert not all(torch.equal(weight, adapters[1.0][name]) for name, weight in adapters[0.0].items())
    for name, weight in adapters[0.25].items():
        assert torch.allclose(weight, 0.75 * adapters[0.0][name] + 0.25 * adapters[1.0][name], atol=1e-6)
