"""What a language model is asked about the passages of a snapshot, and the asking, which is paid work.

A request is about one passage, or a few for a multi-hop query. It is known by what it is about and how it is asked:
model, prompt, number and styles of queries, and title, text and shown attributes of its passages. Examples are left out
of that, so that a new label does not have everything written again. What is in the store is never asked again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from genret_ops.corpus.labels import Label
from genret_ops.corpus.view import CorpusView
from genret_ops.lexical.bm25 import tokenize
from genret_ops.progress import Report
from genret_ops.records import canonical_json, text_hash
from genret_ops.settings import SynthesisSettings
from genret_ops.synthesis import language_model
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.generation_store import MOST_TRIES, GenerationStore, Subject
from genret_ops.synthesis.kinds import KINDS
from genret_ops.synthesis.language_model import INVALID, TRUNCATED, Completion, Estimate, LanguageModel, Request
from genret_ops.synthesis.prompts import LINES, Example, Prompt, read_prompt
from genret_ops.text import dollars

WAITING = "not sent, since it could exceed the cap"
_EXAMPLES, _EXAMPLE_WORDS = 3, 60
_GROUP_SIZES = (2, 2, 2, 3, 3, 4)
"""How many passages multi-hop queries join, in turn."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What one request is about.

    Attributes:
        key: the request's.
        prompt: the prompt.
        passages: the passages that it shows.
    """

    key: str
    prompt: Prompt
    passages: tuple[SourcePassage, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Something that a language model is to answer.

    Attributes:
        subject: what the store remembers of it.
        form: the form of an answer.
        request: makes the request, with the space for the answer doubled so often.
    """

    subject: Subject
    form: type[BaseModel]
    request: Callable[[int], Request]


def generator_of(settings: SynthesisSettings, prompt: Prompt) -> str:
    """Model and prompt, as the provenance of a query has them, but for its style."""
    return f"{settings.language_model}:{prompt.label}"


def instructions_of(settings: SynthesisSettings) -> tuple[str, ...]:
    """What the model is told in all requests, without examples; nothing if no model is named."""
    prompts = map(read_prompt, settings.written if settings.language_model else ())
    return tuple(
        text
        for prompt in prompts
        for text in (prompt.system(settings.questions, settings.styles, ()), LINES[prompt.form])
    )


class Generation:
    """What the settings have a language model asked about passages.

    Args:
        passages: every passage, in docid order; they are named by their position.
        settings: the model, what it writes and how much.
        store: what it wrote before; a passage stays in the group in which it was asked about.

    Example:
        >>> topics = Generation(passages, settings.synthesis, store).topics([range(len(passages))])
    """

    def __init__(self, passages: Sequence[SourcePassage], settings: SynthesisSettings, store: GenerationStore) -> None:
        self._passages, self._settings, self._store = passages, settings, store
        self._positions = {passage.passage_id: number for number, passage in enumerate(passages) if passage.documents}

    def topics(self, groups: Sequence[Sequence[int]]) -> list[Topic]:
        """What is to be asked about some passages.

        Args:
            groups: positions of the passages to ask about; a multi-hop query joins passages of one group.
        """
        return [topic for kind in self._settings.written for group in groups for topic in self._of_kind(kind, group)]

    def _of_kind(self, kind: str, group: Sequence[int]) -> Iterator[Topic]:
        prompt, inside = read_prompt(kind), frozenset(group)
        joined = KINDS[kind].passages[1] > 1 if kind in KINDS else False
        before = self._store.groups(generator_of(self._settings, prompt)) if joined else {}
        for position in group:
            passage = self._passages[position]
            if not passage.documents or not passage.text.strip() or (kind == "constraint" and not passage.attributes):
                continue
            together: tuple[SourcePassage, ...] = (passage,)
            if joined:
                ids = before.get(passage.passage_id, ())
                known = [self._positions[each] for each in ids if self._positions.get(each) in inside]
                members = known if ids and len(known) == len(ids) else self._joined(position, inside)
                if len(members) < KINDS[kind].passages[0]:
                    continue
                together = tuple(self._passages[member] for member in members)
            yield Topic(self._key(prompt, together), prompt, together)

    def _joined(self, position: int, inside: frozenset[int]) -> list[int]:
        """A passage, and the nearest of its group that are of other documents, each of another."""
        passage, members = self._passages[position], [position]
        size, documents = _GROUP_SIZES[int(passage.passage_id[:8], 16) % len(_GROUP_SIZES)], set(passage.documents)
        for neighbour in passage.neighbours:
            if (
                len(members) < size
                and neighbour in inside
                and documents.isdisjoint(others := self._passages[neighbour].documents)
            ):
                members.append(neighbour)
                documents |= others
        return members

    def _key(self, prompt: Prompt, passages: Sequence[SourcePassage]) -> str:
        settings = self._settings
        how: list[Any] = [settings.language_model, prompt.hash, settings.questions, settings.styles]
        if settings.language_model.startswith(language_model.TRANSFORMERS):
            how.append(settings.temperature)
        shown = [
            [each.title, each.text, dict(each.attributes) if prompt.name == "constraint" else {}] for each in passages
        ]
        return text_hash(canonical_json([how, shown]))

    def subject(self, topic: Topic) -> Subject:
        """What the store remembers of a topic."""
        ids = tuple(each.passage_id for each in topic.passages)
        return Subject(
            topic.key, generator_of(self._settings, topic.prompt), ids, tuple(each.document for each in topic.passages)
        )

    def task(self, topic: Topic, examples: Sequence[Example]) -> Task:
        """What is asked about a topic, with queries of users as examples."""
        return Task(self.subject(topic), topic.prompt.form, lambda longer: self.request(topic, examples, longer))

    def request(self, topic: Topic, examples: Sequence[Example] = (), longer: int = 0) -> Request:
        """The request about a topic.

        Args:
            topic: what it is about.
            examples: queries of users.
            longer: how often the space for the answer is doubled.
        """
        prompt, settings = topic.prompt, self._settings
        return Request(
            topic.key,
            prompt.system(settings.questions, settings.styles, examples),
            prompt.user(topic.passages),
            prompt.form,
            prompt.max_tokens(settings.questions) << longer,
        )


def examples_of(head: CorpusView, labels: Iterable[Label]) -> list[Example]:
    """The first few labels as examples, each with the passage of its document that shares most words with it.

    A document is shown once, and one that has left the corpus not at all.
    """
    positions = dict[str, list[int]]()
    for docid in range(len(head)):
        for doc_id in head.documents_of(docid):
            positions.setdefault(doc_id, []).append(docid)
    examples = list[Example]()
    for query, document in labels:
        docids = positions.pop(document, None)
        if docids is None or len(examples) == _EXAMPLES:
            continue
        wanted, *texts = map(set, tokenize([query, *(head.passages[docid].text for docid in docids)]))
        best = docids[max(range(len(docids)), key=lambda number: len(wanted & texts[number]))]
        words = head.passages[best].text.split()
        text = " ".join(words[:_EXAMPLE_WORDS]) + (" ..." if len(words) > _EXAMPLE_WORDS else "")
        examples.append(Example(head.document(document).title, text, query))
    return examples


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of tasks.

    Attributes:
        tasks: how many there are.
        answered: how many have an answer.
        new: how many answers came now.
        failures: why each of the others has none, by key.
    """

    tasks: int
    answered: int
    new: int
    failures: Mapping[str, str]

    @property
    def reasons(self) -> dict[str, int]:
        """How many have no answer, by reason, the most frequent first."""
        return dict(Counter(self.failures.values()).most_common())


def generate(
    tasks: Sequence[Task],
    store: GenerationStore,
    open_model: Callable[[], LanguageModel],
    announce: Callable[[Estimate], None],
    report: Report,
) -> Generated:
    """Ask a language model, about each task until it has an answer or has failed for good; those that have one stay.

    Every answer is kept before the next is counted, so whoever stops this loses nothing that was paid for.

    Args:
        tasks: what is asked.
        store: keeps the answers.
        open_model: opens the model; called if anything has to be asked.
        announce: is told what the requests will take before the first is sent; an error that it raises stops all.
        report: called as answers come.

    Raises:
        GenretError: the model cannot be used at all.
    """
    by_key = {task.subject.key: task for task in tasks}
    store.give_up_lost()
    before, tries = _valid_answers(by_key, store), store.tries(by_key)
    pending = [key for key in by_key if key not in before and tries.get(key, 0) < MOST_TRIES]
    new, cost = 0, 0.0
    if pending:
        with closing(open_model()) as model:
            under_way = {key for batch in store.batches() for key in batch.most}
            if unsent := [by_key[key] for key in pending if key not in under_way]:
                announce(_estimate(unsent, store, model))
            store.note(by_key[key].subject for key in pending)
            total, failed = len(pending), set[str]()

            def keep(completion: Completion) -> None:
                nonlocal new, cost
                store.keep(completion)
                cost += completion.usage.cost
                if completion.key in by_key:
                    new += bool(completion.text)
                    (failed.discard if completion.text else failed.add)(completion.key)
                report(min(new, total), total, f"{dollars(cost)} so far" if cost else "")

            for _ in range(MOST_TRIES):
                failed.clear()
                longer = store.times_failed(pending, TRUNCATED)
                model.complete([by_key[key].request(longer[key]) for key in pending], keep)
                tries = store.tries(failed)
                pending = [key for key in pending if key in failed and tries.get(key, 0) < MOST_TRIES]
                if not pending:
                    break
    answered = store.answers(by_key)
    failures = dict.fromkeys((key for key in by_key if key not in answered), WAITING) | store.failures(by_key)
    return Generated(len(by_key), len(answered), new, failures)


def _valid_answers(by_key: Mapping[str, Task], store: GenerationStore) -> dict[str, str]:
    """The answers to tasks; what is not in its form is taken back, and asked for again.

    What was collected for another task than those of the run, out of a batch that a kill left behind, was not checked.
    """
    answers = store.answers(by_key)
    for key in [key for key, answer in answers.items() if not fits(answer, by_key[key].form)]:
        store.take_back(key, INVALID)
        del answers[key]
    return answers


def fits(answer: str, form: type[BaseModel]) -> bool:
    """Whether an answer has the form that was asked for."""
    try:
        form.model_validate_json(answer)
    except ValidationError:
        return False
    return True


def _estimate(tasks: Sequence[Task], store: GenerationStore, model: LanguageModel) -> Estimate:
    """What tasks will take, with answers as long as those of the same prompt so far, or half of what is allowed."""
    total = Estimate(0, 0, 0)
    for generator in dict.fromkeys(task.subject.generator for task in tasks):
        requests = [task.request(0) for task in tasks if task.subject.generator == generator]
        part = model.estimate(requests, store.tokens_per_answer(generator) or requests[0].max_tokens / 2)
        total = Estimate(
            total.requests + part.requests,
            total.input_tokens + part.input_tokens,
            total.output_tokens + part.output_tokens,
            total.cost + part.cost,
            total.most + part.most,
        )
    return total
