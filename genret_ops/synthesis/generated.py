"""Queries that a language model wrote, out of the store: held against what they are about, and given to their passages.

`written_queries` reads the store and leaves out, by reason, what is not what it says it is. Filters that judge how good
a query is stand between it and `GeneratedGenerator`, which hands the queries that are left to the splits.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from pydantic import BaseModel

from genret_ops.corpus.metadata import is_date
from genret_ops.lexical.bm25 import tokenize
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.extractive import WORD, SourcePassage
from genret_ops.synthesis.generation import Generation, Topic
from genret_ops.synthesis.generation_store import GenerationStore
from genret_ops.synthesis.kinds import KINDS
from genret_ops.synthesis.prompts import HardQuestions, Keywords, Queries, SentenceQueries
from genret_ops.synthesis.recorded import ONCE

UNNAMED = "names no attribute of its document"
UNANSWERED = "has an answer that its passage does not give"
LENGTH = "has too few or too many words for its kind"
COPIED = "says all that its passage says"
REPEATED = "is written twice about a passage"


@dataclass(frozen=True, slots=True)
class WrittenQueries:
    """The queries of the store that are what they say they are.

    Attributes:
        queries: the queries, which belong to no split yet.
        refused: how many others there are, by reason.
    """

    queries: tuple[SyntheticQuery, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


def written_queries(
    generation: Generation, passages: Sequence[SourcePassage], store: GenerationStore, seed: int
) -> WrittenQueries:
    """Read the queries that a language model wrote about passages.

    A constraint has to name the value of an attribute, and a hard question needs an answer whose words are all in the
    passage.

    Args:
        generation: what the settings have the model asked.
        passages: every passage, in docid order.
        store: what it answered.
        seed: seed of the build, for the provenance of the queries.
    """
    topics = {topic.key: topic for topic in generation.topics([range(len(passages))])}
    queries, refused = list[SyntheticQuery](), Counter[str]()
    answers = store.answers(topics)
    for key, topic in topics.items():
        if key not in answers or topic.prompt.name not in KINDS:
            continue
        seen = set[str]()
        for query, unsupported in _queries(topic, generation.generator(topic.prompt), answers[key], seed):
            fault = _fault(query, topic) or unsupported
            if fault or query.text.casefold() in seen:
                refused[fault or REPEATED] += 1
            else:
                queries.append(query)
            seen.add(query.text.casefold())
    return WrittenQueries(tuple(queries), refused)


def written_keywords(
    generation: Generation, passages: Sequence[SourcePassage], store: GenerationStore
) -> dict[str, tuple[str, ...]]:
    """The keywords that a language model listed, by passage id, the most telling first; without repetitions.

    Args:
        generation: what the settings have the model asked.
        passages: every passage, in docid order.
        store: what it answered.
    """
    topics = [topic for topic in generation.topics([range(len(passages))]) if topic.prompt.form is Keywords]
    answers, keywords = store.answers([topic.key for topic in topics]), dict[str, tuple[str, ...]]()
    for topic in topics:
        if topic.key in answers:
            words = dict[str, str]()
            for keyword in Keywords.model_validate_json(answers[topic.key]).keywords:
                text = " ".join(keyword.split())
                words.setdefault(text.casefold(), text)
            keywords[topic.passages[0].passage_id] = tuple(filter(None, words.values()))
    return keywords


def _queries(topic: Topic, generator: str, answer: str, seed: int) -> Iterator[tuple[SyntheticQuery, str]]:
    """The queries of an answer, each with `UNANSWERED` or ""; a query's style stands at the end of its generator."""
    form: BaseModel = topic.prompt.form.model_validate_json(answer)
    positives = tuple(passage.passage_id for passage in topic.passages)
    first = topic.passages[0]

    def row(text: str, style: str, sentence: str = "", named: Mapping[str, str] | None = None) -> SyntheticQuery:
        withheld = (sentence,) if sentence else ()
        return SyntheticQuery(
            " ".join(text.split()),
            topic.prompt.name,
            positives,
            "",
            f"{generator}:{style}",
            seed,
            withheld,
            named or {},
        )

    match form:
        case Queries(queries=queries):
            for query in queries:
                shown = first.attributes if topic.prompt.name == "constraint" else {}
                named = {name: value for name, value in shown.items() if names(query.text, value)}
                yield row(query.text, query.style, named=named), ""
        case SentenceQueries(queries=queries):
            for query in queries:
                inside = 0 < query.sentence <= len(first.sentences)
                yield row(query.text, query.style, first.sentences[query.sentence - 1] if inside else ""), ""
        case HardQuestions(questions=questions):
            for question in questions:
                yield row(question.question, "question"), "" if supported(question.answer, first) else UNANSWERED


def _fault(query: SyntheticQuery, topic: Topic) -> str:
    """Why a query is left out; "" if it is not."""
    fewest, most = KINDS[query.kind].words
    if not fewest <= len(query.text.split()) <= most or not WORD.search(query.text):
        return LENGTH
    if query.kind == "constraint" and not query.constraints:
        return UNNAMED
    said = _words(query.text)
    return COPIED if any(said == _words(passage.text) for passage in topic.passages) else ""


def names(text: str, value: str) -> bool:
    """Whether a text names the value of an attribute: letter for letter, or a date by day, month and year.

    Example:
        >>> names("what did Wired write on October 5, 2023", "2023-10-05")
        True
        >>> names("a wired house", "Wired"), names("Wireduct", "Wired")
        (False, False)
    """
    if not is_date(value):
        return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None
    if value[:10] in text:
        return True
    day, words = date.fromisoformat(value[:10]), {word.lower().rstrip(".") for word in WORD.findall(text)}
    month = {f"{day:%B}".lower(), f"{day:%b}".lower()}
    days = {str(day.day), f"{day.day}th", f"{day.day}st", f"{day.day}nd", f"{day.day}rd"}
    return not month.isdisjoint(words) and not days.isdisjoint(words) and str(day.year) in words


def supported(answer: str, passage: SourcePassage) -> bool:
    """Whether a passage, or its title, has every word of an answer; an answer without a word is none.

    Example:
        >>> supported("in July", SourcePassage("p", frozenset("d"), "Bees", "Honey is harvested in July.", (), {}))
        True
    """
    words, known = tokenize([answer, f"{passage.title} {passage.text}"])
    return bool(words) and set(words) <= set(known)


class GeneratedGenerator:
    """Gives the queries that a language model wrote to the splits.

    Args:
        passages: every passage, in docid order; they are named by their position.
        queries: the queries, each about passages that are all live.
        seed: seed of their order.
    """

    def __init__(self, passages: Sequence[SourcePassage], queries: Sequence[SyntheticQuery], seed: int) -> None:
        self._seed = seed
        positions = {passage.passage_id: number for number, passage in enumerate(passages) if passage.documents}
        self._queries = dict[int, list[tuple[frozenset[int], SyntheticQuery]]]()
        for query in queries:
            docids = [positions[positive] for positive in query.positives]
            self._queries.setdefault(docids[0], []).append((frozenset(docids), query))

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """All queries about some passages, in random order; splits that measure hold each once.

        Args:
            number: number of the epoch.
            members: positions of the passages; a multi-hop query joins no others.
            split: the split that the queries belong to.
            hard: whether to give the kinds that are written for stage 2, instead of the others.
        """
        if number and split in ONCE:
            return []
        inside = frozenset(members)
        rows = [
            replace(query, split=split)
            for position in members
            for wanted, query in self._queries.get(position, ())
            if wanted <= inside and KINDS[query.kind].hardest == hard
        ]
        random.Random(f"{self._seed}/{number}/{split}/{hard}").shuffle(rows)
        return rows


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(text))
