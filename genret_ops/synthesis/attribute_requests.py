"""Attributes that a language model reads from texts: asked once, kept and paid for like the queries that it writes."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from genret_ops.corpus.erased import Erasure
from genret_ops.errors import GenretError, HomeBusy
from genret_ops.extraction.by_language_model import AttributeRequest, Statements
from genret_ops.progress import Report, announce
from genret_ops.records import canonical_json, text_hash
from genret_ops.settings import Settings
from genret_ops.storage.home import HomeFolder
from genret_ops.synthesis.generation import WAITING, Generated, Task, fits
from genret_ops.synthesis.generation_stage import ask
from genret_ops.synthesis.generation_store import FILE, LOCK, GenerationStore, Subject
from genret_ops.synthesis.language_model import Request

BUSY = "another process was asking, or a document was being erased"
_OVER_CAP = "more would exceed generation.cap"
_TOKENS_EACH = 80
"""Most tokens of an attribute in an answer: its name, value and evidence."""


class AttributeReader:
    """Has a language model read attributes: an `Ask` of extraction/by_language_model.py.

    Args:
        home: folder of the home, which keeps the answers.
        settings: the model, how it is reached, and what it may cost.
        report: called as answers come.

    Attributes:
        generated: what came of the requests; None before there were any, and if another process was asking.
        unread: why texts are left that a later ingest can have read; "" if there are none.
    """

    def __init__(self, home: Path, settings: Settings, report: Report) -> None:
        self._home, self._settings, self._report = home, settings, report
        self.generated: Generated | None = None
        self.unread = ""

    def __call__(self, requests: Sequence[AttributeRequest]) -> Iterator[tuple[str, Statements]]:
        """The answers to requests, as (document id, answer).

        While a build is asking, or a document is being erased, nothing is sent, and what was answered before is given:
        a later ingest asks, even if no document has changed. A model that cannot be used keeps no document out either.
        """
        name = self._settings.extraction.language_model
        tasks = [_task(name, request) for request in requests]
        with closing(GenerationStore(self._home / FILE)) as store:
            self.unread = BUSY
            try:
                if not Erasure.under_way(self._home):
                    with HomeFolder(self._home).lock(LOCK):
                        self.generated = ask(name, tasks, self._settings, store, self._report)
                    self.unread = over_cap(self._settings) if WAITING in self.generated.reasons else ""
            except HomeBusy:
                announce(f"A build is asking a language model, so {name} reads new texts at the next ingest.")
            except GenretError as error:
                self.unread = str(error)
                announce(f"{name} reads no new texts, and documents are taken in without what it would read: {error}.")
            answers = store.answers([task.subject.key for task in tasks])
            if len(answers) == len(tasks):
                self.unread = ""
        for task, request in zip(tasks, requests, strict=True):
            if fits(answer := answers.get(task.subject.key, ""), Statements):
                yield request.document, Statements.model_validate_json(answer)


def over_cap(settings: Settings) -> str:
    """Why texts are left if no more may be spent; a higher cap is another reason, so that they are asked about then."""
    return f"{_OVER_CAP} = {settings.generation.cap:g}"


def has_failed(unread: str) -> bool:
    """Whether texts are left because a model could not be used, so that nobody knows when it can be."""
    return unread not in ("", BUSY) and not unread.startswith(_OVER_CAP)


def _task(name: str, request: AttributeRequest) -> Task:
    """What is asked about a document, known by the model and every word."""
    key = text_hash(canonical_json([name, request.instructions, request.text]))
    most = _TOKENS_EACH * (1 + request.count)
    subject = Subject(key, f"{name}:attributes", (), (request.document,))

    def sent(longer: int) -> Request:
        return Request(key, request.instructions, request.text, Statements, most << longer)

    return Task(subject, Statements, sent)
