"""What a language model adds to a search: it writes the identifiers of allowed docids, and how likely each is.

A release of the causal family has a `Writer` beside the encoder and the rows of the untrained system. In the mode
`generative` it alone answers; in `hybrid` a share of what it says is mixed into the probabilities of the rows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.modeling.docid_head import log_probabilities

_REMEMBERED = 4096
"""So many answers are kept: tuning and gate ask the same texts again, and so do users."""


@dataclass(frozen=True)
class Writer:
    """A language model that writes the docids of one corpus head.

    Attributes:
        model: the language model.
        writable: the docids of the head and their identifiers.
        beams: how many docids it writes for a text at most.
        share: how much what it writes counts in `hybrid`, from 0, where it is not asked, to less than 1.
    """

    model: CausalModel
    writable: WritableDocids
    beams: int
    share: float = 0.0
    _answers: dict[tuple[str, bytes], list[tuple[int, float]]] = field(default_factory=dict, repr=False, compare=False)

    def write(self, texts: Sequence[str], allowed: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Write docids for texts; texts with the same allowed docids go through the model together.

        Args:
            texts: the texts.
            allowed: for each a mask of the docids that may be written, of shape (docids,), not empty.

        Returns:
            For each log P(docid | text) of the docids that were written, shape (docids,); their probabilities sum to 1,
            and all others have -inf.
        """
        keys = [(text, hashlib.sha256(mask.tobytes()).digest()) for text, mask in zip(texts, allowed, strict=True)]
        if len(self._answers) > _REMEMBERED:
            self._answers.clear()
        new = dict[bytes, dict[str, np.ndarray]]()
        for (text, digest), mask in zip(keys, allowed, strict=True):
            if (text, digest) not in self._answers:
                new.setdefault(digest, {})[text] = mask
        for digest, masks in new.items():
            docids = np.flatnonzero(next(iter(masks.values())))
            answers = self.model.generate(list(masks), self.writable, docids, self.beams, self.beams)
            self._answers.update({(text, digest): answer for text, answer in zip(masks, answers, strict=True)})
        return [_normalised(self._answers[key], len(mask)) for key, mask in zip(keys, allowed, strict=True)]

    def mixed(self, logits: np.ndarray, written: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Log of the mean of two distributions over the allowed docids: that of the rows, and what was written.

        Args:
            logits: those of the rows, shape (docids,).
            written: log probabilities from `write`, shape (docids,).
            allowed: boolean mask of shape (docids,), not empty.

        Returns:
            Shape (docids,), float32; -inf where nothing is allowed.
        """
        rows = np.exp(log_probabilities(logits, allowed))
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((1 - self.share) * rows + self.share * np.exp(written)), dtype=np.float32)


def _normalised(answer: Sequence[tuple[int, float]], count: int) -> np.ndarray:
    """Log probabilities of the docids of an answer among themselves, shape (count,); -inf elsewhere."""
    scores = np.full(count, -np.inf, dtype=np.float32)
    for docid, score in answer:
        scores[docid] = score
    return log_probabilities(scores, np.isfinite(scores)).astype(np.float32)
