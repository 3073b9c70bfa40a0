"""Labelled questions as a release remembers them: what was asked before is answered at once, without training.

Each is the vector of its text with the docids that answer it. A query near to it raises these docids, the more the
nearer it is; one that is near to none sees no difference (docs/decisions.md, 57).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genret_ops.corpus.labels import hash_of, read_labels
from genret_ops.errors import BrokenRelease

FILES = "labelled."
"""Prefix of the files that hold labelled questions."""
_NEAR = 0.7
"""Cosine from which on two questions may want the same answer."""
_AGAIN = 15.0
"""What a question that comes again counts, in standard deviations; one between it and `_NEAR` counts by the square."""


@dataclass(frozen=True, slots=True)
class LabelledQuestions:
    """Questions whose answers users gave.

    Attributes:
        labels: identity of the labels that they come from (corpus/labels.py); "" if there are none.
        texts: the questions.
        docids: what answers each, ascending.
        vectors: their unit vectors, shape (questions, dimension), float32.

    Example:
        >>> questions = LabelledQuestions.make("", {"who smokes the bees": [3]}, encoder.encode)
        >>> questions.scores(encoder.encode(["who is smoking bees?"])[0], count=10).argmax()
        3
    """

    labels: str
    texts: tuple[str, ...]
    docids: tuple[tuple[int, ...], ...]
    vectors: np.ndarray

    def __len__(self) -> int:
        """Number of questions."""
        return len(self.texts)

    @classmethod
    def none(cls, labels: str = "") -> "LabelledQuestions":
        """No question, of labels with this identity."""
        return cls(labels, (), (), np.empty((0, 0), dtype=np.float32))

    @classmethod
    def make(
        cls,
        labels: str,
        answers: Mapping[str, Sequence[int]],
        encode: Callable[[Sequence[str]], np.ndarray],
        known: "LabelledQuestions | None" = None,
    ) -> "LabelledQuestions":
        """Encode questions.

        Args:
            labels: identity of the labels.
            answers: by question the docids that answer it.
            encode: encodes texts to unit vectors, as the model encodes queries.
            known: questions that the same model has encoded before; these are not encoded again.
        """
        if not answers:
            return cls.none(labels)
        vector_of = dict(zip(known.texts, known.vectors, strict=True)) if known else {}
        if new := [text for text in answers if text not in vector_of]:
            vector_of |= zip(new, encode(new), strict=True)
        docids = tuple(tuple(sorted(right)) for right in answers.values())
        return cls(labels, tuple(answers), docids, np.stack([vector_of[text] for text in answers]))

    def scores(self, vector: np.ndarray, count: int, left_out: str | None = None) -> np.ndarray:
        """How strongly labelled questions near the query support each docid, shape (count,), float32; mostly 0.

        Args:
            vector: the query's unit vector, shape (dimension,).
            count: number of docids.
            left_out: a question that is left out, so that it can be asked without giving itself away.
        """
        scores = np.zeros(count, dtype=np.float32)
        if not len(self):
            return scores
        cosines = self.vectors @ vector
        for number in np.flatnonzero(cosines > _NEAR).tolist():
            if self.texts[number] != left_out:
                docids = list(self.docids[number])
                nearness = (cosines[number] - _NEAR) / (1 - _NEAR)
                scores[docids] = np.maximum(scores[docids], _AGAIN * nearness**2)
        return scores

    def save(self, folder: Path) -> None:
        """Write the questions into `folder`."""
        questions = [{"text": text, "docids": docids} for text, docids in zip(self.texts, self.docids, strict=True)]
        stored = {"labels": self.labels, "questions": questions}
        (folder / f"{FILES}json").write_text(json.dumps(stored, indent=1), encoding="utf-8")
        np.save(folder / f"{FILES}npy", self.vectors)

    @classmethod
    def load(cls, folder: Path) -> "LabelledQuestions":
        """The questions that a release remembers; none if it was made before releases did."""
        if not (folder / f"{FILES}json").exists():
            return cls.none()
        stored = json.loads((folder / f"{FILES}json").read_text("utf-8"))
        texts = tuple(question["text"] for question in stored["questions"])
        docids = tuple(tuple(question["docids"]) for question in stored["questions"])
        return cls(stored["labels"], texts, docids, np.load(folder / f"{FILES}npy"))


def remembers_labels(home: Path, folder: Path) -> bool:
    """Whether the release in `folder` was made with the labels that a home has now, and no others.

    Raises:
        GenretError: a line of the labels is no label.
        BrokenRelease: the file of the release that says so is damaged.
    """
    file = folder / f"{FILES}json"
    try:
        made_with = json.loads(file.read_text("utf-8"))["labels"] if file.exists() else ""
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenRelease(f"{file} is damaged: run `genret build`") from error
    return bool(made_with == hash_of(read_labels(home)))
