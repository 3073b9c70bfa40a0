"""The offline generator: synthetic queries made from a corpus's own words, without a language model.

Quality comes from what the queries are like: new ones every epoch, sentences with words left out, names removed as
multi-hop questions remove them, attribute values named the ways people attribute, and two sources in one question.
The kinds are those of the paper: chunk, sentence, constraint and multi-hop queries, and Context2ID rows
(docs/method.md, "Context2ID and Query2ID"). The same passages, seed and epoch give the same queries.
"""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources

from genret_ops.corpus.metadata import is_date
from genret_ops.lexical.bm25 import STOP_WORDS
from genret_ops.records import SyntheticQuery
from genret_ops.settings import SynthesisSettings

GENERATOR = "extractive"
EXTRACTIVE_KINDS = ("chunk", "sentence", "constraint", "multihop", "context")
WORD = re.compile(r"[^\W_][\w'’.&-]*[^\W_]|[^\W_]")
"""A word of a text as queries keep it, with case, inner hyphens, dots and apostrophes."""
_NAME = re.compile(r"(?<=[\w,;] )(?:[A-Z][\w'’.-]*)(?: (?:[A-Z][\w'’.-]*|of|the|and(?= [A-Z])))*")
_MIN_SENTENCE_WORDS = 4
"""A sentence with fewer words yields no query."""


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """A passage as the generator reads it.

    Attributes:
        passage_id: its id.
        documents: ids of the documents that hold it; empty if it has left the corpus.
        title: title of the first of them.
        text: its text.
        sentences: its sentences.
        attributes: values of the first document that a query may name.
        neighbours: positions of the passages of other documents that share most words with it.
        document: id of the first of them; empty if it has left the corpus.
    """

    passage_id: str
    documents: frozenset[str]
    title: str
    text: str
    sentences: tuple[str, ...]
    attributes: Mapping[str, str]
    neighbours: tuple[int, ...] = ()
    document: str = ""


class ExtractiveGenerator:
    """Writes queries about passages.

    Args:
        passages: every passage, in docid order; they are named by their position.
        settings: how many queries of each kind an epoch holds.
        idf: inverse document frequency of each lower-cased word.
        seed: seed of all random choices.

    Example:
        >>> generator = ExtractiveGenerator(passages, settings.synthesis, idf={}, seed=0)
        >>> queries = generator.epoch(0, members=range(len(passages)), split="train")
    """

    def __init__(
        self,
        passages: Sequence[SourcePassage],
        settings: SynthesisSettings,
        idf: Mapping[str, float],
        seed: int,
    ) -> None:
        self._passages = passages
        self._settings = settings
        self._idf = idf
        self._seed = seed
        template = resources.files("genret_ops.synthesis") / "templates" / "extractive.toml"
        self._templates: Mapping[str, Sequence[str]] = tomllib.loads(template.read_text("utf-8"))

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """Write new queries of every kind about some passages, in random order.

        Args:
            number: number of the epoch; each has queries of its own.
            members: positions of the passages to ask about; a multi-hop query joins no others.
            split: the split that the queries belong to.
            hard: leave out more words and names, because stage 2 of the paper wants the hardest queries.
        """
        rng = random.Random(f"{self._seed}/{number}/{split}/{hard}")
        drop, inside = 0.5 if hard else 0.3, frozenset(members)
        rows = list[SyntheticQuery]()
        for kind in EXTRACTIVE_KINDS:
            count: float = getattr(self._settings, kind)
            for index in members:
                for _ in range(int(count) + (rng.random() < count % 1)):
                    other = self._partner(index, members, inside, rng) if kind == "multihop" else None
                    row = self._query(kind, self._passages[index], other, split, drop, rng)
                    if row is not None:
                        rows.append(row)
        rng.shuffle(rows)
        return rows

    def _query(
        self,
        kind: str,
        passage: SourcePassage,
        other: SourcePassage | None,
        split: str,
        drop: float,
        rng: random.Random,
    ) -> SyntheticQuery | None:
        """One query of a kind about a passage (with `other`, about both); None if the passage has no material for it.

        Args:
            drop: how much of a sentence is left out, from 0 to 1.
        """
        positives: tuple[str, ...] = (passage.passage_id,)
        withheld: tuple[str, ...] = ()
        constraints = dict[str, str]()
        if kind == "context":
            text = _context(passage, rng)
        elif kind == "chunk":
            text = self._keywords(passage, rng) if rng.random() < 0.6 else _window(passage, rng)
            if not text:
                return None
        else:
            sentence = _sentence(passage, rng)
            if sentence is None:
                return None
            text, withheld = _noised(sentence, drop, rng), (sentence,)
            if kind == "constraint":
                if not passage.attributes:
                    return None
                name = rng.choice(sorted(passage.attributes))
                constraints[name] = passage.attributes[name]
                text = self._with_constraint(text, name, constraints[name], rng)
            if kind == "multihop":
                second = _sentence(other, rng) if other else None
                if other is None or second is None:
                    return None
                text = self._joined(text, passage, _noised(second, drop, rng), other, rng)
                positives, withheld = (passage.passage_id, other.passage_id), (sentence, second)
        return SyntheticQuery(text, kind, positives, split, GENERATOR, self._seed, withheld, constraints)

    def _keywords(self, passage: SourcePassage, rng: random.Random) -> str:
        """Four to ten rare words of a passage, in its order."""
        words = list(dict.fromkeys(word for word in WORD.findall(passage.text) if word.lower() not in STOP_WORDS))
        best = sorted(words, key=lambda word: -self._idf.get(word.lower(), 0.0) * rng.uniform(0.3, 1.0))
        chosen = set(best[: rng.randint(4, 10)])
        return " ".join(word for word in words if word in chosen)

    def _with_constraint(self, text: str, name: str, value: str, rng: random.Random) -> str:
        """A query that names the value of an attribute; a date is written out."""
        if is_date(value):
            day = date.fromisoformat(value[:10])
            written_out = f"{day:%B} {day.day}, {day.year}"
            return rng.choice(self._templates["date"]).format(a=text, value=written_out)
        return rng.choice(self._templates["constraint"]).format(a=text, value=value, name=name.replace("_", " "))

    def _partner(
        self, index: int, members: Sequence[int], inside: frozenset[int], rng: random.Random
    ) -> SourcePassage | None:
        """The second passage of a multi-hop query: a member, usually a neighbour; None if the two share a document."""
        passage = self._passages[index]
        near = [neighbour for neighbour in passage.neighbours if neighbour in inside]
        other = self._passages[rng.choice(near if near and rng.random() < 0.7 else members)]
        return other if other.documents.isdisjoint(passage.documents) else None

    def _joined(self, a: str, first: SourcePassage, b: str, second: SourcePassage, rng: random.Random) -> str:
        """Queries `a` and `b` about two passages as one question, which may name an attribute of both."""
        shared = sorted(name for name in first.attributes if name in second.attributes)
        shared = [name for name in shared if not is_date(first.attributes[name])]
        if not shared or rng.random() < 0.3:
            return rng.choice(self._templates["unnamed"]).format(a=a, b=b)
        name = rng.choice(shared)
        x, y = first.attributes[name], second.attributes[name]
        return rng.choice(self._templates["multihop"]).format(a=a, b=b, x=x, y=y)


def _sentence(passage: SourcePassage, rng: random.Random) -> str | None:
    """A sentence of the passage that is long enough to ask about."""
    long = [sentence for sentence in passage.sentences if len(WORD.findall(sentence)) >= _MIN_SENTENCE_WORDS]
    return rng.choice(long) if long else None


def _noised(sentence: str, drop: float, rng: random.Random) -> str:
    """A sentence as somebody half remembers it: names and words are left out, at least three words stay."""
    all_words = WORD.findall(sentence)
    if rng.random() < drop:
        sentence = _NAME.sub(lambda match: "" if rng.random() < 0.7 else match[0], sentence)
    words = WORD.findall(sentence)
    words = words if len(words) >= 3 else all_words
    if len(words) > 24:
        start = rng.randrange(len(words) - 23)
        words = words[start : start + 24]
    kept = [word for word in words if rng.random() >= drop * 0.7]
    return " ".join(kept if len(kept) >= 3 else words)


def _window(passage: SourcePassage, rng: random.Random) -> str:
    """8 to 24 consecutive words of a passage."""
    words = WORD.findall(passage.text)
    length = rng.randint(8, 24)
    start = rng.randrange(max(1, len(words) - length))
    return " ".join(words[start : start + length])


def _context(passage: SourcePassage, rng: random.Random) -> str:
    """Up to 60 consecutive words of title and text, as they are written: a Context2ID row."""
    words = (passage.title + " " + passage.text).split()
    start = rng.randrange(max(1, len(words) - 60))
    return " ".join(words[start : start + 60])
