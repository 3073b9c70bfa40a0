"""Readable labels: what a person sees of a docid, such as `sam-bankman-fried-trial-jury`.

A label is the strongest tf-idf words of title and text, in the order in which they are read there. It names
a passage for people and logs; no model is trained on it here. Inverse document frequencies come from the
passages of one call, so the same passage may be named otherwise in another batch: a label is given once and
stored.
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
    """One label a passage: at most `words` hyphen-joined lower-case words, unique here and against `taken`.

    Accents are folded, other scripts kept. Without a keyword the title's first words serve, then the text's,
    then `passage`; equal labels are told apart by a number (`-2`, `-3`, ...). Deterministic in the input order.

    Raises:
        ValueError: `texts` and `titles` differ in length, or `words` is below 1.
    """
    if words < 1:
        raise ValueError("a label needs at least one word")
    titled = list(zip(titles, texts, strict=True))
    keywords = _keywords([f"{title}\n{text}" for title, text in titled], words)
    bases = [
        "-".join(found or _words(title)[:words] or _words(text)[:words] or ["passage"])
        for found, (title, text) in zip(keywords, titled, strict=True)
    ]
    return list(_distinct(bases, taken))


def _keywords(texts: Sequence[str], words: int) -> Iterator[list[str]]:
    """For each text its `words` words of highest tf-idf, in reading order; none if it has only stop words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    documents = [
        [word for word in _words(text) if len(word) > 1 and not word[0].isdigit() and word not in ENGLISH_STOP_WORDS]
        for text in texts
    ]
    if not any(documents):
        yield from ([] for _ in texts)
        return
    vectorizer = TfidfVectorizer(analyzer=_itself, norm=None)
    weights = vectorizer.fit_transform(documents).tocsr()
    index = vectorizer.vocabulary_
    for row, document in enumerate(documents):
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        weight = dict(zip(weights.indices[span].tolist(), weights.data[span].tolist(), strict=True))
        in_order = list(dict.fromkeys(document))
        strongest = sorted(in_order, key=lambda word: -weight[index[word]])[:words]
        yield sorted(strongest, key=in_order.index)


def _words(text: str) -> list[str]:
    """Lower-case words without accents, clitics and apostrophes, each at most `LONGEST_WORD` characters."""
    folded = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", text).lower()))
    plain = _CLITIC.sub(" ", folded).replace("'", "").replace("’", "")
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain)]


def _itself(words: list[str]) -> list[str]:
    return words


def _distinct(bases: Iterable[str], taken: Collection[str]) -> Iterator[str]:
    used = set(taken)
    last: dict[str, int] = {}
    for base in bases:
        label, number = base, last.get(base, 1)
        while label in used:
            number += 1
            label = f"{base}-{number}"
        last[base] = number
        used.add(label)
        yield label
