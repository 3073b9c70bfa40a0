"""The stage that writes synthetic queries: what the generator reads of a corpus head, and the four splits.

`train` teaches SFT, `hard` is mined for preference pairs; of what is never trained on, `tuning` chooses fusion and
`gate` judges. Splits are by document.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import csr_array

from genret_ops.corpus.metadata import date_attributes, detectable, is_date, profile
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.lexical.bm25 import tokens
from genret_ops.lexical.index import LexicalIndex
from genret_ops.records import SyntheticQuery, text_hash
from genret_ops.settings import RetrievalSettings, Settings, TrainingSettings
from genret_ops.storage.tables import TableStore
from genret_ops.synthesis.extractive import Extractive, Source

NEIGHBOURS = 8
SPLITS = ("train", "hard", "tuning", "gate")
FEWEST = 6
"""Documents that a gate needs (docs/decisions.md, 16)."""
_JUDGED, _EPOCHS = 1 / 3, 100
_WORDS = re.compile(r"[^\W_][\w'’.&-]*[^\W_]|[^\W_]")
_NEIGHBOUR_WORDS = 60


def neighbours(
    head: CorpusView,
    lexical: LexicalIndex,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """The lexical neighbours of each docid in other documents, shape (docids, at most 8)."""
    documents = membership(head)
    width = min(NEIGHBOURS, max(0, int(np.count_nonzero(documents.count_nonzero(axis=0))) - 1))
    found = np.zeros((len(head), width), dtype=np.int64)
    for docid, words in enumerate(tokens([passage.text for passage in head.passages])):
        scores = lexical.passage_scores(list(dict.fromkeys(words))[:_NEIGHBOUR_WORDS])
        scores[(documents @ documents[[docid]].T).nonzero()[0]] = -1.0
        scores[~head.live] = -1.0
        best = np.argpartition(-scores, width - 1)[:width] if width else np.empty(0, dtype=np.int64)
        found[docid] = best[np.lexsort((best, -scores[best]))]
        progress(docid + 1, len(head))
    return found


def membership(head: CorpusView) -> csr_array:
    """Which documents hold each docid's passage, shape (docids, documents): 1 where one does, none if it has left."""
    numbers = {doc_id: number for number, doc_id in enumerate(head.documents)}
    held = [[numbers[doc_id] for doc_id in head.documents_of(docid)] for docid in range(len(head))]
    starts = np.cumsum([0, *map(len, held)])
    columns = np.array([number for own in held for number in own], dtype=np.int64)
    return csr_array((np.ones(len(columns), dtype=np.int32), columns, starts), shape=(len(head), len(numbers)))


def heldout_docids(head: CorpusView, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the docids whose documents are held out, for tuning and for the gate (a third of them).

    A document's id and the seed alone decide, so it stays on its side whatever comes to the corpus, and a passage that
    one of its documents holds out is held out. At least one document is, never all; where fewer than `FEWEST` would
    judge, the gate shares those of tuning.

    Raises:
        GenretError: there are fewer than two documents with text.
    """
    documents = membership(head)
    numbers = np.flatnonzero(documents.count_nonzero(axis=0)).tolist()
    if len(numbers) < 2:
        raise GenretError("a part of the documents is held out from training: ingest at least two that have text")
    ids, seed, share = list(head.documents), settings.training.seed, settings.synthesis.heldout
    place = {number: int(text_hash(f"heldout/{seed}/{ids[number]}"), 16) / 16**32 for number in numbers}
    order = sorted(numbers, key=lambda number: place[number])
    count = min(max(1, sum(place[number] < share for number in numbers)), len(numbers) - 1)
    judged = sum(place[number] < share * _JUDGED for number in order[: count - 1])
    held, gate = (documents[:, order[:some]].count_nonzero(axis=1) > 0 for some in (count, judged))
    return (held, held) if judged < FEWEST else (held & ~gate, gate)


def write_queries(
    head: CorpusView, near: np.ndarray, settings: Settings, known: frozenset[int] | None = None
) -> list[SyntheticQuery]:
    """Every synthetic query of a build, by split; deterministic by seed.

    An update, whose parent knew some docids, asks for the others, interleaved with a replay of the known ones; a
    training from genesis (None) asks for all alike.
    """
    generator = Extractive(
        sources(head, near, settings.retrieval), settings.synthesis, _rarity(head), settings.training.seed
    )
    (tuned, judged), training = heldout_docids(head, settings), settings.training
    members = np.flatnonzero(head.live & ~(tuned | judged))
    again = np.isin(members, list(known or ()))
    old, new, update = members[again], members[~again], known is not None
    steps, preferences = training.sft_steps(update), training.preference_steps(update)
    train = _interleaved(generator, old, new, steps * training.batch, training)
    hard = [row for row in _hard(generator, old, new, training) if row.kind != "context"]
    held = _heldout(generator, tuned & head.live, "tuning", settings.synthesis.heldout_queries)
    held += _heldout(generator, judged & head.live, "gate", settings.gate.questions)
    return train + hard[: 2 * preferences * training.batch] + held


def _heldout(generator: Extractive, mask: np.ndarray, split: str, count: int) -> list[SyntheticQuery]:
    """`count` queries about the docids of a mask, over as many epochs as that takes; fewer where there are no more."""
    found = list[SyntheticQuery]()
    for number in range(_EPOCHS):
        rows = generator.epoch(number, np.flatnonzero(mask).tolist(), split)
        found.extend(row for row in rows if row.kind != "context")
        if len(found) >= count or not rows:
            break
    return found[:count]


def _interleaved(
    generator: Extractive, old: np.ndarray, new: np.ndarray, count: int, training: TrainingSettings
) -> list[SyntheticQuery]:
    """`count` training queries: about new passages, and a share of them, evenly spread, about old ones."""
    share = training.replay if len(old) and len(new) else float(not len(new))
    again = round(share * count)
    replay = generator.stream(old.tolist(), again) if again else iter(())
    fresh = generator.stream(new.tolist(), count - again) if again < count else iter(())
    turns = [((place + 1) * again) // count > (place * again) // count for place in range(count)]
    return [next(replay if turn else fresh) for turn in turns]


def _hard(generator: Extractive, old: np.ndarray, new: np.ndarray, training: TrainingSettings) -> list[SyntheticQuery]:
    """Stage-2 queries, the hardest the generator has: those about new passages, and as many of old ones as replayed."""
    fresh = generator.epoch(0, new.tolist(), "hard", hard=True)
    if not len(old):
        return fresh
    known = generator.epoch(1, old.tolist(), "hard", hard=True)
    turns = max(1, round(training.replay / (1 - training.replay))) if training.replay else 0
    return [row for place, one in enumerate(fresh) for row in (one, *known[place * turns : (place + 1) * turns])]


def sources(head: CorpusView, near: np.ndarray, settings: RetrievalSettings) -> list[Source]:
    """The head as the generator reads it, in docid order; attributes are those that queries can name."""
    found = profile(head.documents.values())
    names = {name: set(values) for name, values in detectable(found, settings, len(head.documents)).items()}
    dates = date_attributes(found)
    rows = list[Source]()
    for docid, passage in enumerate(head.passages):
        if not head.live[docid]:
            rows.append(Source(passage.passage_id, frozenset(), "", "", (), {}))
            continue
        document = head.first_document(docid)
        attributes = {
            name: value
            for name, value in document.metadata.items()
            if (name in dates and is_date(value)) or value in names.get(name, ())
        }
        about = passage.passage_id, frozenset(head.documents_of(docid)), document.title, passage.text
        rows.append(Source(*about, passage.sentences, attributes, tuple(near[docid])))
    return rows


def _rarity(head: CorpusView) -> dict[str, float]:
    counts = Counter(word for passage in head.passages for word in {w.lower() for w in _WORDS.findall(passage.text)})
    return {word: math.log(len(head) / count) for word, count in counts.items()}


def read_queries(store: TableStore, delta: str, version: int, splits: Sequence[str] = SPLITS) -> list[SyntheticQuery]:
    """The stored queries of a delta at a version of the table, as they were written, of these splits."""
    rows = store.read("queries", version)
    chosen = rows.filter((pc.field("delta") == delta) & pc.field("split").isin(list(splits))).drop_columns("delta")
    return [
        SyntheticQuery(
            **{
                **row,
                "positives": tuple(row["positives"]),
                "withheld": tuple(row["withheld"]),
                "constraints": json.loads(row["constraints"]),
            }
        )
        for row in chosen.to_pylist()
    ]
