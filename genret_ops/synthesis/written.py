"""Queries that were written before a build samples, and the generator that gives them to an epoch.

People, a language model or another home wrote them; `filters` decides which of them are used, and how often.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genret_ops.records import SyntheticQuery, text_hash
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.kinds import HELDOUT, SPLITS


@dataclass(frozen=True, slots=True)
class WrittenQuery:
    """A query that was written about passages, with its provenance.

    Attributes:
        text: the query.
        kind: what it is like, a key of `KINDS`.
        positions: positions of the passages that it is about, at least one; two to four of a multi-hop query.
        generator: who wrote it.
        splits: the splits that it may stand in, as far as the documents of its passages belong to them.
        withheld: the sentences that it was made from, if they are known.
        constraints: the attribute values that it names.
        weight: probability with which it stands in an epoch of training, 0 to 1.
    """

    text: str
    kind: str
    positions: tuple[int, ...]
    generator: str
    splits: tuple[str, ...] = SPLITS
    withheld: tuple[str, ...] = ()
    constraints: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0


class WrittenGenerator:
    """Gives written queries to the passages that they are about.

    Args:
        passages: every passage, in docid order; they are named by their position.
        queries: the queries.
        seed: seed of the build: of their order, of the draws by weight, and for the provenance of the queries.

    Example:
        >>> query = WrittenQuery("who calms the bees", "recorded", (0,), "recorded")
        >>> generator = WrittenGenerator(passages, [query], seed=0)
        >>> [query.text for query in generator.epoch(0, [0], "train")]
        ['who calms the bees']
    """

    def __init__(self, passages: Sequence[SourcePassage], queries: Sequence[WrittenQuery], seed: int) -> None:
        self._passages, self._seed = passages, seed
        self._queries = dict[int, list[WrittenQuery]]()
        for query in queries:
            self._queries.setdefault(query.positions[0], []).append(query)

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """The queries about some passages that stand in an epoch, in random order.

        A query to train on is drawn by its weight, each epoch anew. A held-out split has every query once, whatever
        its weight, since what a baseline finds easily should not judge more often.

        Args:
            number: number of the epoch.
            members: positions of the passages; a query about several stands only if all of them are members.
            split: the split that the queries belong to.
            hard: ignored: a query that is written for stage 2 may stand in its split alone.
        """
        if number and split in HELDOUT:
            return []
        inside = frozenset(members)
        rows = [
            SyntheticQuery(
                query.text,
                query.kind,
                tuple(self._passages[position].passage_id for position in query.positions),
                split,
                query.generator,
                self._seed,
                query.withheld,
                query.constraints,
            )
            for member in members
            for query in self._queries.get(member, ())
            if split in query.splits and inside.issuperset(query.positions)
            if split in HELDOUT or stands(query, self._seed, number, split)
        ]
        random.Random(f"{self._seed}/{number}/{split}").shuffle(rows)
        return rows


def stands(query: WrittenQuery, seed: int, number: int, split: str) -> bool:
    """Whether a query stands in an epoch: a draw by its weight that no other query changes.

    Args:
        query: the query.
        seed: seed of the build.
        number: number of the epoch.
        split: the split of the epoch.
    """
    drawn = int(text_hash(f"{seed}/{number}/{split}/{query.positions[0]}/{query.text}"), 16) / 16**32
    return drawn < query.weight
