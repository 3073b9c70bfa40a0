"""The offline generator: queries made from a corpus's own words, without a language model.

What the queries are like is the lever (DESIGN.md): fresh ones every epoch, sentences with words left out,
names taken away as multi-hop questions take them away, attribute values in the ways people attribute, and two
sources in one question. Deterministic: the same
corpus, seed and epoch give the same queries. Kinds as in the paper: chunk, sentence, constraint, multi-hop,
and Context2ID.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources

from genret_ops.corpus.metadata import is_date
from genret_ops.errors import GenretError
from genret_ops.lexical.bm25 import STOP_WORDS
from genret_ops.records import SyntheticQuery
from genret_ops.settings import SynthesisSettings

GENERATOR = "extractive"
KINDS = ("chunk", "sentence", "constraint", "multihop", "context")
_WORD = re.compile(r"[^\W_][\w'’.&-]*[^\W_]|[^\W_]")
_NAME = re.compile(r"(?<=[\w,;] )(?:[A-Z][\w'’.-]*)(?: (?:[A-Z][\w'’.-]*|of|the|and(?= [A-Z])))*")
_SHORTEST = 4
"""A sentence with fewer words is no source of a query."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the generator sees it: with its documents, and the passages of other documents nearest to it."""

    passage_id: str
    documents: frozenset[str]
    title: str
    text: str
    sentences: tuple[str, ...]
    attributes: Mapping[str, str]
    neighbours: tuple[int, ...] = ()


class Extractive:
    """Writes queries about `sources`.

    `rarity` maps a lower-cased word to its inverse document frequency.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: SynthesisSettings,
        rarity: Mapping[str, float],
        seed: int,
    ) -> None:
        self._sources = sources
        self._settings = settings
        self._rarity = rarity
        self._seed = seed
        template = resources.files("genret_ops.synthesis") / "templates" / "extractive.toml"
        self._templates: Mapping[str, Sequence[str]] = tomllib.loads(template.read_text("utf-8"))

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """Fresh queries of every kind about the sources at `members` and no others, interleaved at random.

        `hard` drops more words and more names (the paper's stage 2 wants queries as hard as possible).
        """
        rng = random.Random(f"{self._seed}/{number}/{split}/{hard}")
        inside = frozenset(members)
        rows = list[SyntheticQuery]()
        for kind in KINDS:
            share: float = getattr(self._settings, kind)
            for index in members:
                for _ in range(int(share) + (rng.random() < share % 1)):
                    other = self._other(index, members, inside, rng) if kind == "multihop" else None
                    row = self._query(kind, index, other, split, rng, 0.5 if hard else 0.3)
                    if row is not None:
                        rows.append(row)
        rng.shuffle(rows)
        return rows

    def stream(self, members: Sequence[int], count: int) -> Iterator[SyntheticQuery]:
        """`count` training queries, epoch after epoch.

        Raises:
            GenretError: the corpus yields no query at all.
        """
        made = 0
        for epoch in range(count):
            rows = self.epoch(epoch, members, "train")
            if not rows:
                raise GenretError("no text of the corpus is long enough to make a query of")
            for row in rows[: count - made]:
                made += 1
                yield row
            if made >= count:
                return

    def _query(
        self, kind: str, index: int, other: Source | None, split: str, rng: random.Random, drop: float
    ) -> SyntheticQuery | None:
        source = self._sources[index]
        positives: tuple[str, ...] = (source.passage_id,)
        constraints = dict[str, str]()
        if kind == "context":
            return self._row(self._context(source, rng), kind, split, positives)
        if kind == "chunk":
            content, withheld = self._keywords(source, rng) if rng.random() < 0.6 else self._window(source, rng)
            return self._row(content, kind, split, positives, withheld) if content else None
        sentence = self._sentence(source, rng)
        if sentence is None:
            return None
        content, withheld = self._noised(sentence, rng, drop), (sentence,)
        if kind == "constraint":
            if not source.attributes:
                return None
            name = rng.choice(sorted(source.attributes))
            constraints[name] = source.attributes[name]
            content = self._constrained(content, name, constraints[name], rng)
        if kind == "multihop":
            second = self._sentence(other, rng) if other else None
            if other is None or second is None:
                return None
            content = self._joined(content, source, self._noised(second, rng, drop), other, rng)
            positives, withheld = (source.passage_id, other.passage_id), (sentence, second)
        return self._row(content, kind, split, positives, withheld, constraints)

    def _row(
        self,
        text: str,
        kind: str,
        split: str,
        positives: tuple[str, ...],
        withheld: tuple[str, ...] = (),
        constraints: Mapping[str, str] | None = None,
    ) -> SyntheticQuery:
        return SyntheticQuery(text, kind, positives, split, GENERATOR, self._seed, withheld, constraints or {})

    def _sentence(self, source: Source, rng: random.Random) -> str | None:
        long = [sentence for sentence in source.sentences if len(_WORD.findall(sentence)) >= _SHORTEST]
        return rng.choice(long) if long else None

    def _noised(self, sentence: str, rng: random.Random, drop: float) -> str:
        """A sentence as somebody would half remember it; at least three words of it."""
        whole = _WORD.findall(sentence)
        if rng.random() < drop:
            sentence = _NAME.sub(lambda match: "" if rng.random() < 0.7 else match[0], sentence)
        words = _WORD.findall(sentence)
        words = words if len(words) >= 3 else whole
        if len(words) > 24:
            start = rng.randrange(len(words) - 23)
            words = words[start : start + 24]
        kept = [word for word in words if rng.random() >= drop * 0.7]
        return " ".join(kept if len(kept) >= 3 else words)

    def _keywords(self, source: Source, rng: random.Random) -> tuple[str, tuple[str, ...]]:
        words = list(dict.fromkeys(word for word in _WORD.findall(source.text) if word.lower() not in STOP_WORDS))
        best = sorted(words, key=lambda word: -self._rarity.get(word.lower(), 0.0) * rng.uniform(0.3, 1.0))
        chosen = set(best[: rng.randint(4, 10)])
        return " ".join(word for word in words if word in chosen), ()

    def _window(self, source: Source, rng: random.Random) -> tuple[str, tuple[str, ...]]:
        words = _WORD.findall(source.text)
        length = rng.randint(8, 24)
        start = rng.randrange(max(1, len(words) - length))
        return " ".join(words[start : start + length]), ()

    def _context(self, source: Source, rng: random.Random) -> str:
        words = (source.title + " " + source.text).split()
        start = rng.randrange(max(1, len(words) - 60))
        return " ".join(words[start : start + 60])

    def _constrained(self, content: str, name: str, value: str, rng: random.Random) -> str:
        if is_date(value):
            day = date.fromisoformat(value[:10])
            spoken = f"{day:%B} {day.day}, {day.year}"
            return rng.choice(self._templates["date"]).format(a=content, value=spoken)
        return rng.choice(self._templates["constraint"]).format(a=content, value=value, name=name.replace("_", " "))

    def _other(self, index: int, members: Sequence[int], inside: frozenset[int], rng: random.Random) -> Source | None:
        """A member that shares no document, usually one that speaks of the same things; what is held out stays out."""
        source = self._sources[index]
        near = [number for number in source.neighbours if number in inside]
        other = self._sources[rng.choice(near if near and rng.random() < 0.7 else members)]
        return other if other.documents.isdisjoint(source.documents) else None

    def _joined(self, a: str, first: Source, b: str, second: Source, rng: random.Random) -> str:
        shared = sorted(name for name in first.attributes if name in second.attributes)
        shared = [name for name in shared if not is_date(first.attributes[name])]
        if not shared or rng.random() < 0.3:
            return rng.choice(self._templates["unnamed"]).format(a=a, b=b)
        name = rng.choice(shared)
        x, y = first.attributes[name], second.attributes[name]
        return rng.choice(self._templates["multihop"]).format(a=a, b=b, x=x, y=y)
