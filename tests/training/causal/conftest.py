"""A tiny causal model, and a job in which it has learned two hundred passages; both are made once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from genret_ops.training.causal import sft
from genret_ops.training.causal.job import CausalJob
from tests.support.tiny_causal import TinyCorpus, tiny_job, tiny_settings, write_tiny_model

PASSAGES = 200


@pytest.fixture(scope="session")
def tiny_model(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A folder with a tiny Llama and its tokenizer. Read only."""
    return made_once("tiny-causal", write_tiny_model)


@pytest.fixture(scope="session")
def corpus() -> TinyCorpus:
    """The passages that `learned_job` has learned."""
    return TinyCorpus.of(PASSAGES)


@pytest.fixture(scope="session")
def learned_job(
    tiny_model: Path, corpus: TinyCorpus, made_once: Callable[[str, Callable[[Path], None]], Path]
) -> CausalJob:
    """A job with its stage `sft` done. Read only: copy its folder to go on."""

    def make(folder: Path) -> None:
        members = range(PASSAGES)
        queries = corpus.questions(members, "train", 0, each=32) + corpus.questions(members, "hard", 0, each=1)[:96]
        sft.train(tiny_job(folder, tiny_settings(tiny_model), corpus, queries), lambda *_: None)

    return CausalJob(made_once("causal-job", make))
