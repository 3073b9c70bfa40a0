"""Readable labels of docids, such as `sam-bankman-fried-trial-jury`.

A label is the words of title and text with the highest tf-idf, in reading order. It names a passage in logs and for
people; no model learns it. Document frequencies come from the passages of one call, so another batch may give the same
passage another label: a label is made once and stored.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

LONGEST_WORD = 24
_ACCENT = re.compile("[\u0300-\u036f]")
_CLITIC = re.compile(r"\b\w+n['’]t\b|['’](?:s|ll|ve|re|d|m)\b")
_WORD = re.compile(r"[^\W_]+")


def keyword_labels(
    texts: Sequence[str], titles: Sequence[str], words: int = 5, taken: Collection[str] = ()
) -> list[str]:
    """Label passages by their keywords; deterministic in the order of the input.

    Accents are folded, scripts other than Latin are kept. A passage without keywords is labelled by the first words of
    its title or else of its text, or else `passage`. Equal labels get a number (`-2`, `-3`, ...).

    Args:
        texts: one text per passage.
        titles: one title per passage.
        words: most words of a label.
        taken: labels that are in use.

    Returns:
        One label per passage: lower-case words joined by hyphens, all different and none in `taken`.

    Raises:
        ValueError: `texts` and `titles` differ in length, or `words` is below 1.

    Example:
        >>> keyword_labels(["The striker's goal came late.", "Goal!"], ["", ""])
        ['striker-goal-came-late', 'goal']
    """
    return list(_distinct(map("-".join, keywords(texts, titles, words)), taken))


def keywords(texts: Sequence[str], titles: Sequence[str], words: int = 5, spare: int = 0) -> list[list[str]]:
    """The words that set each passage apart: those of highest tf-idf among the passages of the call.

    A passage without keywords has the first words of its title or else of its text, or else `passage`.

    Args:
        texts: one text per passage.
        titles: one title per passage.
        words: most words of a passage, which stand in reading order.
        spare: most words that follow them, the best first.

    Raises:
        ValueError: `texts` and `titles` differ in length, or `words` is below 1.

    Example:
        >>> keywords(["The striker's goal came late.", "Goal!"], ["", ""], words=2, spare=1)
        [['striker', 'came', 'late'], ['goal']]
    """
    if words < 1:
        raise ValueError("a label needs at least one word")
    passages = list(zip(titles, texts, strict=True))
    ranked = _keywords([f"{title}\n{text}" for title, text in passages], words, spare)
    return [
        best or _words(title)[:words] or _words(text)[:words] or ["passage"]
        for best, (title, text) in zip(ranked, passages, strict=True)
    ]


def _keywords(texts: Sequence[str], words: int, spare: int) -> Iterator[list[str]]:
    """`keywords` of each text; none if it has only stop words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    documents = [
        [word for word in _words(text) if len(word) > 1 and not word[0].isdigit() and word not in ENGLISH_STOP_WORDS]
        for text in texts
    ]
    if not any(documents):
        yield from ([] for _ in texts)
        return
    vectorizer = TfidfVectorizer(analyzer=list, norm=None)
    weights = vectorizer.fit_transform(documents).tocsr()
    column_of = vectorizer.vocabulary_
    for row, document in enumerate(documents):
        entries = slice(weights.indptr[row], weights.indptr[row + 1])
        weight = dict(zip(weights.indices[entries].tolist(), weights.data[entries].tolist(), strict=True))
        in_order = list(dict.fromkeys(document))
        best = sorted(in_order, key=lambda word: -weight[column_of[word]])[: words + spare]
        yield sorted(best[:words], key=in_order.index) + best[words:]


def _words(text: str) -> list[str]:
    """Lower-case words without accents, clitics and apostrophes, each at most `LONGEST_WORD` characters."""
    folded = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", text).lower()))
    plain = _CLITIC.sub(" ", folded).replace("'", "").replace("’", "")
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain)]


def _distinct(labels: Iterable[str], taken: Collection[str]) -> Iterator[str]:
    """The labels, with a number after each that is in use already."""
    used = set(taken)
    last_number: dict[str, int] = {}
    for base in labels:
        label, number = base, last_number.get(base, 1)
        while label in used:
            number += 1
            label = f"{base}-{number}"
        last_number[base] = number
        used.add(label)
        yield label
