"""What a text does not state but other texts teach: the value of a closed list, and the keyphrase that stands out.

A value is learned from the documents whose source gave one: logistic regression on tf-idf. Its evidence is the word
that speaks most for it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from genret_ops.extraction.rules import Proposal

_WORD = r"(?u)\b[^\W\d_]{3,}\b"
_EXAMPLES, _EXAMPLES_A_VALUE, _VALUES = 20, 3, 100
_FEATURES = 20_000
_KEYPHRASE = 50


class ClosedList:
    """Guesses the value of an attribute from those of other documents.

    Args:
        texts: the texts of documents whose source gave a value.
        values: the value of each.
    """

    def __init__(self, texts: Sequence[str], values: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._vectorizer = TfidfVectorizer(
            token_pattern=_WORD, sublinear_tf=True, min_df=2, max_features=_FEATURES, stop_words="english"
        )
        self._model = LogisticRegression(C=30.0, max_iter=300)
        self._model.fit(self._vectorizer.fit_transform(texts), list(values))
        self._words = self._vectorizer.get_feature_names_out()

    @classmethod
    def of(cls, examples: Mapping[str, str]) -> "ClosedList | None":
        """What the values of texts teach, by text; None if they are too few, or too many to be a list.

        Only values that three texts or more have are learned.
        """
        counts = Counter(examples.values())
        taught = {text: value for text, value in examples.items() if counts[value] >= _EXAMPLES_A_VALUE}
        values = set(taught.values())
        if len(taught) < _EXAMPLES or not 2 <= len(values) <= _VALUES or not _share_a_word(taught):
            return None
        return cls(list(taught), list(taught.values()))

    def guess(self, text: str) -> Proposal:
        """The likeliest value of a text; its confidence is its probability."""
        vector = self._vectorizer.transform([text])
        probabilities = self._model.predict_proba(vector)[0]
        best = int(probabilities.argmax())
        start, end = _place(text, self._strongest(vector, best))
        value = str(self._model.classes_[best])
        return Proposal(value, start, end, int(100 * probabilities[best]), "learned")

    def _strongest(self, vector: Any, value: int) -> str:
        """The word of a text that speaks most for a value; "" if no word of it is known."""
        if not vector.nnz:
            return ""
        weights = self._model.coef_
        signed = weights[value] if len(weights) > 1 else weights[0] * (1 if value else -1)
        return str(self._words[vector.indices[int(np.argmax(vector.data * signed[vector.indices]))]])


def _words(text: str) -> set[str]:
    """The words of a text that count for learning: those that are no stop words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return {word for word in map(str.lower, re.findall(_WORD, text)) if word not in ENGLISH_STOP_WORDS}


def _share_a_word(texts: Iterable[str]) -> bool:
    """Whether a word stands in two texts, so that there is something to learn from."""
    seen = set[str]()
    for text in texts:
        if not seen.isdisjoint(words := _words(text)):
            return True
        seen |= words
    return False


class Keyphrases:
    """Finds the word or the pair of words with the highest tf-idf of a text, among the texts of a corpus."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(
            token_pattern=_WORD, sublinear_tf=True, ngram_range=(1, 2), stop_words="english", norm=None
        )
        self._known = any(_words(text) for text in texts)
        if self._known:
            self._vectorizer.fit(texts)

    def best(self, text: str) -> Proposal | None:
        """The keyphrase of a text that stands in it as it is; None if there is none."""
        if not self._known:
            return None
        vector = self._vectorizer.transform([text])
        names = self._vectorizer.get_feature_names_out()
        for place in np.argsort(-vector.data, kind="stable").tolist():
            phrase = str(names[vector.indices[place]])
            start, end = _place(text, phrase)
            if end > start:
                return Proposal(phrase, start, end, _KEYPHRASE, "keyphrase")
        return None


def _place(text: str, words: str) -> tuple[int, int]:
    """Where words stand in a text for the first time, white space between them; (0, 0) if they do not."""
    pattern = r"\s+".join(map(re.escape, words.split()))
    match = re.search(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE) if words else None
    return match.span() if match else (0, 0)
