"""Which written queries are used, and how often: each filter is a function of the query and its passages.

What a language model writes is often no question: a preface, a piece of JSON, a copy of the passage, the same words for
every passage. Such queries are refused and counted by reason. Whether a baseline finds the passage again decides only
how often a query stands in an epoch, since a query that no word leads to its passage may be the best of all. All bounds
were set so that the questions of a strong writer pass (docs/decisions.md, 66).
"""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from math import ceil

import numpy as np

from genret_ops.lexical.bm25 import STOP_WORDS_OF, tokenize
from genret_ops.lexical.index import LexicalIndex
from genret_ops.progress import Progress, silent
from genret_ops.synthesis.extractive import WORD, SourcePassage
from genret_ops.synthesis.kinds import HELDOUT, KINDS, SPLITS, TRAINED
from genret_ops.synthesis.written import WrittenQuery

SHORT_PASSAGE = 30
"""A passage of at most this many words, as generators count, may stand in its query, since it holds no shorter one."""
NEAR = 0.9
"""Two queries are near-duplicates if they share this much of the words that either has (Jaccard)."""
TOP = 20
"""A query has full weight if the baseline finds its passage among so many."""
LEAST_WEIGHT = 0.5
"""Weight of a query that does not lead the baseline to its passage at all."""
EXAMPLES = 3
"""So many refused queries are kept as examples of a reason."""
DUPLICATES, NEAR_DUPLICATES = "duplicates", "near-duplicates"
LENGTH, COPIES = "too short or too long", "copies of their passage"
LEAKS, PHRASES = "instruction leaks", "phrases that need the passage at hand"
SCRIPT, LANGUAGE = "another script than their passage", "another language than their passage"
REASONS = (LENGTH, LEAKS, PHRASES, SCRIPT, LANGUAGE, COPIES, DUPLICATES, NEAR_DUPLICATES)
"""Why a query is refused, in the order in which the filters look; the first that holds is counted."""
_SLACK = 1e-9
"""Takes back what floating point adds to a bound."""
_INSTRUCTION_WORDS = 6
"""So many words in a row of an instruction are a leak of it."""
_WORDS = re.compile(r"\w+")
_LETTER = re.compile(r"[^\W\d_]")
_MARKUP = re.compile(r'```|<\||[{\[]\s*"|"\s*:\s*["\[{]|"\s*[}\]]|\\n')
_LIST_ITEM = re.compile(
    r"\s*(?:\W*\d{1,2}[.)]|[-*•])\s|\W*(?:questions?|quer(?:y|ies)|answer|claim|output)\s*\d*\W*:", re.I
)
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Queries of a generator that were refused for the same reason, with a few of them."""

    generator: str
    reason: str
    count: int
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, generator: str, reason: str, texts: Sequence[str]) -> "Refusal":
        """The refusal of these queries, of which the first few are kept."""
        return cls(generator, reason, len(texts), tuple(texts[:EXAMPLES]))


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the filters made of written queries.

    Attributes:
        kept: the queries that are used, in their order, each with its weight.
        refused: the others, counted by generator and reason.
    """

    kept: tuple[WrittenQuery, ...] = ()
    refused: tuple[Refusal, ...] = ()


def filter_queries(
    queries: Sequence[WrittenQuery],
    passages: Sequence[SourcePassage],
    lexical: LexicalIndex,
    live: np.ndarray,
    instructions: Sequence[str] = (),
    progress: Progress = silent,
) -> Filtered:
    """Refuse the queries that nobody would ask, and weigh the others by whether a baseline finds their passage.

    Context2ID rows ask with the text of the passage on purpose; of them only duplicates are refused.

    Args:
        queries: the queries of all generators; of near-duplicates that may stand in one split, or of which one may
            only teach and the other only judge, the first stays.
        passages: every passage, in docid order.
        lexical: the lexical index of these passages, which is the baseline.
        live: mask of the passages that it may find, shape (passages,).
        instructions: texts of the prompts that the queries were written with, without their examples.
        progress: called with (queries done, queries) while the baseline is asked.

    Returns:
        The kept queries and the refused ones; together they are as many as went in.
    """
    runs = frozenset[tuple[str, ...]]().union(*map(instruction_runs, instructions))
    faults = [fault_of(query, passages, runs) for query in queries]
    of_split = [tuple(n for n, query in enumerate(queries) if split in query.splits) for split in SPLITS]
    of_sides = [  # what judges alone must not be trained on in other words
        tuple(n for n, query in enumerate(queries) if {*query.splits} <= {*HELDOUT} or query.splits == (split,))
        for split in TRAINED
    ]
    for together in dict.fromkeys([*of_split, *of_sides]):
        for reason, compare in ((DUPLICATES, duplicates), (NEAR_DUPLICATES, near_duplicates)):
            numbers = [n for n in together if not faults[n]]
            if compare is near_duplicates:
                numbers = [n for n in numbers if not KINDS[queries[n].kind].memorised]
            for n, first in zip(numbers, compare([queries[n].text for n in numbers]), strict=True):
                faults[n] = reason if first >= 0 else ""
    kept = [query for query, fault in zip(queries, faults, strict=True) if not fault]
    weights = round_trip_weights(round_trip_ranks(kept, lexical, live, progress))
    return Filtered(
        tuple(replace(query, weight=weight) for query, weight in zip(kept, weights.tolist(), strict=True)),
        tuple(_refusals(queries, faults)),
    )


def _refusals(queries: Sequence[WrittenQuery], faults: Sequence[str]) -> list[Refusal]:
    """Queries with a fault by generator, in order of appearance, and by reason, in the order of `REASONS`."""
    texts = dict[tuple[str, str], list[str]]()
    for query, fault in zip(queries, faults, strict=True):
        if fault:
            texts.setdefault((query.generator, fault), []).append(query.text)
    return [
        Refusal.of(generator, reason, texts[generator, reason])
        for generator in dict.fromkeys(query.generator for query in queries)
        for reason in REASONS
        if (generator, reason) in texts
    ]


def fault_of(
    query: WrittenQuery, passages: Sequence[SourcePassage], runs: frozenset[tuple[str, ...]] = frozenset()
) -> str:
    """The first of `REASONS` that holds of a query alone, without the others; "" if none does.

    Args:
        query: the query.
        passages: every passage, in docid order.
        runs: runs of words of the instructions, as `instruction_runs` gives them.
    """
    memorised = KINDS[query.kind].memorised
    return "" if memorised else next(_faults(query, [passages[n] for n in query.positions], runs), "")


def _faults(query: WrittenQuery, about: Sequence[SourcePassage], runs: frozenset[tuple[str, ...]]) -> Iterator[str]:
    text = "\n".join(part for passage in about for part in (passage.title, passage.text))
    fewest, most = KINDS[query.kind].words
    if not fewest <= len(WORD.findall(query.text)) <= most:
        yield LENGTH
    if leaks_instruction(query.text, text, runs):
        yield LEAKS
    if needs_passage(query.text):
        yield PHRASES
    if not same_script(query.text, text):
        yield SCRIPT
    if not same_language(query.text, text):
        yield LANGUAGE
    if any(is_copy(query.text, passage.text) for passage in about):
        yield COPIES


def words(text: str) -> list[str]:
    """The words of a text as filters compare them: case-folded letters, digits and underscores.

    Example:
        >>> words("Bees, WHO calms them?")
        ['bees', 'who', 'calms', 'them']
    """
    return _WORDS.findall(text.casefold())


def is_copy(query: str, passage: str) -> bool:
    """Whether a query is the whole passage, or holds a passage of more than `SHORT_PASSAGE` words whole.

    Punctuation and case do not count.

    Example:
        >>> is_copy("the bees, and the tide", "The bees and the tide.")
        True
    """
    wanted, said = words(query), words(passage)
    if wanted == said:
        return True
    return len(said) <= len(wanted) and len(WORD.findall(passage)) > SHORT_PASSAGE and _stands_in(said, wanted)


def _stands_in(run: Sequence[str], text: Sequence[str]) -> bool:
    """Whether words stand in a text in a row."""
    return f" {' '.join(run)} " in f" {' '.join(text)} "


def is_excerpt(query: str, passage: str) -> bool:
    """Whether the words of a query, at least one, stand in the passage in a row."""
    wanted = words(query)
    return bool(wanted) and _stands_in(wanted, words(passage))


def leaks_instruction(query: str, passage: str, runs: frozenset[tuple[str, ...]] = frozenset()) -> bool:
    """Whether a query holds what was said between a language model and its prompt.

    That is a phrase of `templates/refused.toml`, a piece of JSON or markup, the number or name of a list's item in
    front, or a run of words of the instruction. JSON and runs that are in the passage as well are no leak.

    Args:
        query: the query.
        passage: title and text of the passages that it is about.
        runs: runs of words of the instructions, as `instruction_runs` gives them.

    Example:
        >>> leaks_instruction('Here is a question: who calms the bees?', "Smoke calms the bees.")
        True
    """
    if _LIST_ITEM.match(query) or any(match[0] not in passage for match in _MARKUP.finditer(query)):
        return True
    wanted = words(query)
    if any(_stands_in(phrase, wanted) for phrase in _phrases("leaks")):
        return True
    leaked = [run for run in _runs(wanted) if run in runs]
    return bool(leaked) and not all(_stands_in(run, words(passage)) for run in leaked)


def instruction_runs(instruction: str) -> frozenset[tuple[str, ...]]:
    """Every run of six words of an instruction."""
    return frozenset(_runs(words(instruction)))


def _runs(text: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + _INSTRUCTION_WORDS]) for start in range(len(text) - _INSTRUCTION_WORDS + 1)]


def needs_passage(query: str) -> bool:
    """Whether a query speaks of its passage, which nobody who searches has at hand.

    Example:
        >>> needs_passage("what does this document say about bees"), needs_passage("the passage of a shock wave")
        (True, False)
    """
    text = f" {' '.join(words(query))} "
    for phrase in _phrases("allowed"):
        text = text.replace(f" {' '.join(phrase)} ", " ")
    return any(f" {' '.join(phrase)} " in text for phrase in _phrases("forbidden"))


@cache
def _phrases(group: str) -> tuple[tuple[str, ...], ...]:
    """The phrases of a group of `templates/refused.toml` as words."""
    text = (resources.files("genret_ops.synthesis") / "templates" / "refused.toml").read_text("utf-8")
    return tuple(tuple(words(phrase)) for phrase in tomllib.loads(text)[group])


def same_script(query: str, passage: str) -> bool:
    """Whether at least half of the letters of a query are of scripts that its passage uses.

    A script is the first word of a letter's Unicode name; Chinese characters and both kinds of kana count as one.
    A name or a formula in another script is part of many questions, so half is enough.

    Example:
        >>> same_script("что успокаивает пчёл", "Smoke calms the bees.")
        False
    """
    if query.isascii() and any(char.isascii() and char.isalpha() for char in passage):
        return True
    scripts, known = list(map(_script, _LETTER.findall(query))), set(map(_script, set(_LETTER.findall(passage))))
    return not scripts or not known or 2 * sum(script in known for script in scripts) >= len(scripts)


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").partition(" ")[0]
    return "EAST ASIAN" if name in _EAST_ASIAN else name


def same_language(query: str, passage: str) -> bool:
    """Whether nothing says that a query is in another language than its passage.

    What tells a language are its stop words, of which bm25s has lists for ten languages (`STOP_WORDS_OF`). The
    language of the passage is that of which it holds most; it has to hold five, and twice as many as of any other.
    The query is in another one if it holds at least three different stop words of that, and three times as many as of
    the passage's. A short query, or a passage in a language without a list, therefore passes.

    Example:
        >>> same_language("qu'est-ce que calme les abeilles dans la ruche", "It is smoke that calms the bees in their "
        ... "hive, and it does so before the honey is taken out of it.")
        False
    """
    language = language_of(passage)
    if not language:
        return True
    wanted = set(words(query))
    shared = {name: len(wanted & known) for name, known in STOP_WORDS_OF.items()}
    return max(shared.values()) < max(3, 3 * shared[language])


@lru_cache(maxsize=1024)
def language_of(text: str) -> str:
    """The language that the stop words of a text tell, a key of `STOP_WORDS_OF`; "" if they do not."""
    said = words(text)
    counts = Counter({language: sum(word in known for word in said) for language, known in STOP_WORDS_OF.items()})
    (language, most), (_, second) = counts.most_common(2)
    return language if most >= 5 and most >= 2 * second else ""


def duplicates(texts: Sequence[str]) -> list[int]:
    """For each text the number of the first that says the same words in the same order; -1 for that itself."""
    first = dict[tuple[str, ...], int]()
    numbers = [first.setdefault(tuple(words(text)), number) for number, text in enumerate(texts)]
    return [known if known < number else -1 for number, known in enumerate(numbers)]


def near_duplicates(texts: Sequence[str], threshold: float = NEAR) -> list[int]:
    """For each text the number of the first kept one that it is near to; -1 if there is none, and it is kept.

    The result is exact, and quick since two sets that share enough must share one of their few rarest words (prefix
    filtering: Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins in data cleaning", ICDE 2006).

    Args:
        texts: the texts, in order of preference.
        threshold: least Jaccard similarity of the sets of words, above 0.

    Example:
        >>> near_duplicates(["who calms the bees", "a lamp", "Who calms the bees?"])
        [-1, -1, 0]
    """
    sets = [frozenset(words(text)) for text in texts]
    counts = Counter(word for known in sets for word in known)
    kept_with, first_empty = dict[str, list[int]](), -1
    nearest = list[int]()
    for number, wanted in enumerate(sets):
        if not wanted:
            nearest.append(first_empty)
            first_empty = number if first_empty < 0 else first_empty
            continue
        prefix = sorted(wanted, key=lambda word: (counts[word], word))
        prefix = prefix[: len(wanted) - ceil(threshold * len(wanted) - _SLACK) + 1]
        candidates = sorted({other for word in prefix for other in kept_with.get(word, ())})
        first = next((other for other in candidates if jaccard(wanted, sets[other]) >= threshold - _SLACK), -1)
        nearest.append(first)
        if first < 0:
            for word in prefix:
                kept_with.setdefault(word, []).append(number)
    return nearest


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of the words of either set that both have; 1 of two empty sets."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def round_trip_ranks(
    queries: Sequence[WrittenQuery], lexical: LexicalIndex, live: np.ndarray, progress: Progress = silent
) -> np.ndarray:
    """Rank at which BM25 finds the passage of each query, the best of several, shape (queries,).

    Ranks count from 1, and passages that are level share the best rank; 0: no word of the query is in the passage.

    Args:
        queries: the queries.
        lexical: the lexical index of all passages, metadata included.
        live: mask of the passages that it may find, shape (passages,).
        progress: called with (queries done, queries).
    """
    ranks = np.zeros(len(queries), dtype=np.int64)
    for number, (query, stems) in enumerate(zip(queries, tokenize([query.text for query in queries]), strict=True)):
        scores = lexical.scores(stems)
        best = scores[list(query.positions)].max()
        ranks[number] = 1 + np.count_nonzero(scores[live] > best) if best > 0 else 0
        progress(number + 1, len(queries))
    return ranks


def round_trip_weights(ranks: np.ndarray) -> np.ndarray:
    """Weight of each query by the rank of its passage: 1 down to rank `TOP`, then TOP / rank, at least `LEAST_WEIGHT`.

    Args:
        ranks: ranks as `round_trip_ranks` gives them, shape (queries,).

    Returns:
        Weights from `LEAST_WEIGHT` to 1, shape (queries,).

    Example:
        >>> round_trip_weights(np.array([1, 20, 25, 900, 0])).tolist()
        [1.0, 1.0, 0.8, 0.5, 0.5]
    """
    shares = np.zeros(len(ranks))
    shares[ranks > 0] = TOP / ranks[ranks > 0]
    return shares.clip(LEAST_WEIGHT, 1.0)
