"""The stage `generated_queries`: a language model is asked for what a build lacks. What it wrote, `generated` reads.

A home has one store of answers, and one process at a time asks: it holds the lock on generation.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genret_ops.corpus.labels import read_labels
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.progress import Report, announce, progress
from genret_ops.records import canonical_json, text_hash
from genret_ops.settings import Settings
from genret_ops.storage.home import HomeFolder
from genret_ops.synthesis.generation import Generated, Generation, Task, examples_of, generate
from genret_ops.synthesis.generation_store import FILE, LOCK, Account, GenerationStore
from genret_ops.synthesis.language_model import Estimate, open_language_model
from genret_ops.synthesis.queries import heldout_docids, source_passages
from genret_ops.text import dollars, plural


@dataclass(frozen=True, slots=True)
class Writing:
    """What came of having queries written.

    Attributes:
        generated: how many there are, and why others are missing.
        account: what the home has spent by now.
        failures: (passage, what was asked for, reason) of each request without an answer.
        hash: identity of what was answered.
    """

    generated: Generated
    account: Account
    failures: tuple[tuple[str, str, str], ...]
    hash: str


def write_with_language_model(
    home: Path, head: CorpusView, near: np.ndarray, settings: Settings, known: frozenset[int] | None = None
) -> Writing:
    """Have a language model write about the passages that a build is to teach, and about those held out.

    Args:
        home: folder of the home.
        head: the snapshot.
        near: lexical neighbours, shape (docids, n).
        settings: the model and how it is reached.
        known: docids that the parent of an update has learned, which were written about before; None: there is none.

    Raises:
        GenretError: the model cannot be used, or nothing may be spent on it.
    """
    passages = source_passages(head, near, settings.retrieval)
    (tuning, gate), live = heldout_docids(head, settings), head.live.copy()
    live[list(known or ())] = False
    masks = (live & ~(tuning | gate), live & tuning, live & gate & ~tuning)
    with HomeFolder(home).lock(LOCK, wait=True), closing(GenerationStore(home / FILE)) as store:
        generation = Generation(passages, settings.synthesis, store)
        topics = generation.topics([np.flatnonzero(mask).tolist() for mask in masks])
        with progress(f"writing with {settings.synthesis.language_model}", "requests") as report:
            examples = examples_of(head, read_labels(home))
            generated = ask(
                settings.synthesis.language_model,
                [generation.task(topic, examples) for topic in topics],
                settings,
                store,
                report,
            )
        by_key = {topic.key: topic for topic in topics}
        failures = tuple(
            (by_key[key].passages[0].passage_id, by_key[key].prompt.name, reason)
            for key, reason in generated.failures.items()
        )
        answers = text_hash(canonical_json(sorted(store.answers(by_key).items())))
        return Writing(generated, store.account(), failures, answers)


def ask(name: str, tasks: Sequence[Task], settings: Settings, store: GenerationStore, report: Report) -> Generated:
    """Ask a language model what has no answer yet, after saying what will be sent and what it will cost.

    Args:
        name: the model, as settings name it.
        tasks: what is asked.
        settings: how it is reached, and what it may cost.
        store: keeps the answers and the account.
        report: called as answers come.

    Raises:
        GenretError: the model cannot be used, or nothing may be spent on it.
    """
    return generate(
        tasks,
        store,
        lambda: open_language_model(name, settings, store),
        lambda estimate: _announce(name, estimate, settings, store.account()),
        report,
    )


def _announce(name: str, estimate: Estimate, settings: Settings, account: Account) -> None:
    """Say what will be sent and what it will cost.

    Raises:
        GenretError: nothing may be spent.
    """
    tokens = (
        f"about {_thousands(estimate.input_tokens)} tokens to read and {_thousands(estimate.output_tokens)} to write"
    )
    plan = f"{plural(estimate.requests, 'request')} to {name}: {tokens}"
    if not estimate.most:
        announce(f"{plan}.")
        return
    plan += f", about {dollars(estimate.cost)}, and at most {dollars(estimate.most)} if each is asked once"
    if not settings.generation.cap:
        raise GenretError(
            f"nothing may be spent on {plan}: set generation.cap in genret.toml to the most dollars that this home may "
            "ever spend on it"
        )
    gone = account.spent + account.uncertain
    announce(f"{plan}. {dollars(gone)} of the {dollars(settings.generation.cap)} that may be spent are gone.")


def _thousands(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} million" if tokens >= 1e6 else f"{-(-tokens // 1000):,} thousand"
