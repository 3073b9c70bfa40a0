"""Queries that a language model wrote, out of the store, held against what they are about.

What is not what it says it is is left out here, by reason; whether anybody would ask the others, `filters` judges.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel

from genret_ops.corpus.metadata import is_date
from genret_ops.lexical.bm25 import tokenize
from genret_ops.settings import SynthesisSettings
from genret_ops.synthesis.extractive import WORD, SourcePassage
from genret_ops.synthesis.filters import Refusal
from genret_ops.synthesis.generation import Generation, Topic, fits, generator_of, instructions_of
from genret_ops.synthesis.generation_store import FILE, GenerationStore
from genret_ops.synthesis.kinds import HELDOUT, KINDS
from genret_ops.synthesis.prompts import HardQuestions, Keywords, Queries, SentenceQueries
from genret_ops.synthesis.written import WrittenQuery

UNNAMED = "constraints without an attribute of the document"
UNANSWERED = "questions whose answer the passage does not give"


@dataclass(frozen=True, slots=True)
class GeneratedQueries:
    """What a language model wrote about passages.

    Attributes:
        queries: the queries that are what they say they are.
        refused: the others, counted by generator and reason.
        instructions: what the model was told, which is no query if it says it again.
    """

    queries: tuple[WrittenQuery, ...] = ()
    refused: tuple[Refusal, ...] = ()
    instructions: tuple[str, ...] = ()


def read_generated(home: Path, passages: Sequence[SourcePassage], settings: SynthesisSettings) -> GeneratedQueries:
    """Read the queries that a language model wrote about passages; none if no model is named.

    A constraint query has to name the value of an attribute, and a hard question needs an answer whose words are all
    in the passage.

    Args:
        home: folder of the home.
        passages: every passage, in docid order, with its neighbours.
        settings: the model, and what it writes.
    """
    position_of = {passage.passage_id: position for position, passage in enumerate(passages) if passage.documents}
    queries, refused = list[WrittenQuery](), dict[tuple[str, str], list[str]]()
    for topic, answer in _answers(home, passages, settings):
        if topic.prompt.name in KINDS:
            positions = tuple(position_of[passage.passage_id] for passage in topic.passages)
            for query, fault in _queries(topic, positions, generator_of(settings, topic.prompt), answer):
                if fault:
                    refused.setdefault((query.generator, fault), []).append(query.text)
                else:
                    queries.append(query)
    return GeneratedQueries(
        tuple(queries),
        tuple(Refusal.of(generator, reason, texts) for (generator, reason), texts in refused.items()),
        instructions_of(settings),
    )


def read_keywords(
    home: Path, passages: Sequence[SourcePassage], settings: SynthesisSettings
) -> dict[str, tuple[str, ...]]:
    """Read the keywords that a language model listed, by passage id, the most telling first; without repetitions.

    Args:
        home: folder of the home.
        passages: every passage, in docid order.
        settings: the model, and what it writes.
    """
    keywords = dict[str, tuple[str, ...]]()
    for topic, answer in _answers(home, passages, settings):
        if topic.prompt.form is Keywords:
            words = dict[str, str]()
            for keyword in Keywords.model_validate_json(answer).keywords:
                text = " ".join(keyword.split())
                words.setdefault(text.casefold(), text)
            keywords[topic.passages[0].passage_id] = tuple(filter(None, words.values()))
    return keywords


def _answers(home: Path, passages: Sequence[SourcePassage], settings: SynthesisSettings) -> list[tuple[Topic, str]]:
    """What was asked about passages, with its answer; nothing if no model is named."""
    if not settings.language_model or not (home / FILE).exists():
        return []
    with closing(GenerationStore(home / FILE)) as store:
        topics = Generation(passages, settings, store).topics([range(len(passages))])
        answers = store.answers([topic.key for topic in topics])
    return [(topic, answers[topic.key]) for topic in topics if fits(answers.get(topic.key, ""), topic.prompt.form)]


def _queries(
    topic: Topic, positions: tuple[int, ...], generator: str, answer: str
) -> Iterator[tuple[WrittenQuery, str]]:
    """The queries of an answer, each with why it is left out or ""; a query's style ends its generator."""
    form: BaseModel = topic.prompt.form.model_validate_json(answer)
    kind, first = topic.prompt.name, topic.passages[0]
    splits = ("hard",) if KINDS[kind].hardest else ("train", *HELDOUT)

    def row(text: str, style: str, sentence: str = "", named: Mapping[str, str] | None = None) -> WrittenQuery:
        withheld = (sentence,) if sentence else ()
        text = " ".join(text.split())
        return WrittenQuery(text, kind, positions, f"{generator}:{style}", splits, withheld, named or {})

    match form:
        case Queries(queries=queries):
            for query in queries:
                shown = first.attributes if kind == "constraint" else {}
                named = {name: value for name, value in shown.items() if names(query.text, value)}
                yield row(query.text, query.style, named=named), UNNAMED if kind == "constraint" and not named else ""
        case SentenceQueries(queries=queries):
            for query in queries:
                inside = 0 < query.sentence <= len(first.sentences)
                yield row(query.text, query.style, first.sentences[query.sentence - 1] if inside else ""), ""
        case HardQuestions(questions=questions):
            for question in questions:
                yield row(question.question, "question"), "" if supported(question.answer, first) else UNANSWERED


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
