"""The synthetic queries of a snapshot: what the generator reads of it, and the four splits.

`train` rows teach stage 1 and `hard` rows are mined for the preference pairs of stage 2. Two splits are never trained
on: `tuning` fits the fusion weights, `gate` judges a release. Documents are held out whole
(docs/method.md, "Context2ID and Query2ID").
"""

import json
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import csr_array

from genret_ops.corpus.metadata import date_attributes, detectable, is_date, profile
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.lexical.bm25 import tokenize
from genret_ops.lexical.index import LexicalIndex
from genret_ops.progress import Progress, silent
from genret_ops.records import SyntheticQuery, text_hash
from genret_ops.settings import RetrievalSettings, Settings, TrainingSettings
from genret_ops.storage.tables import TableStore
from genret_ops.synthesis.extractive import GENERATOR, WORD, ExtractiveGenerator, SourcePassage
from genret_ops.synthesis.filters import Filtered, filter_queries
from genret_ops.synthesis.generated import GeneratedQueries
from genret_ops.synthesis.generators import Generators
from genret_ops.synthesis.kinds import KINDS, SPLITS, TRAINED
from genret_ops.synthesis.recorded import RecordedQueries, place
from genret_ops.synthesis.written import WrittenGenerator, WrittenQuery

NEIGHBOURS = 8
"""Most lexical neighbours of a docid."""
MIN_GATE_DOCUMENTS = 6
"""Fewest documents from which the gate can conclude anything (docs/decisions.md, 16)."""
_GATE_SHARE = 1 / 3
"""Share of the held-out documents that only the gate asks about."""
_MAX_EPOCHS = 100
_ENOUGH = 50
"""So many queries can judge a training by themselves."""
_NEIGHBOUR_WORDS = 60
"""So many distinct words of a passage find its neighbours."""


def lexical_neighbours(head: CorpusView, lexical: LexicalIndex, progress: Progress = silent) -> np.ndarray:
    """Find the passages of other documents that share most words with each passage.

    Args:
        head: the snapshot.
        lexical: its lexical index.
        progress: called with (docids done, docids).

    Returns:
        Docids of shape (docids, at most 8), best first.
    """
    documents = membership(head)
    most = min(len(head), int(np.count_nonzero(documents.count_nonzero(axis=0))))
    width = min(NEIGHBOURS, max(0, most - 1))
    neighbours = np.zeros((len(head), width), dtype=np.int64)
    for docid, words in enumerate(tokenize([passage.text for passage in head.passages])):
        scores = lexical.scores(list(dict.fromkeys(words))[:_NEIGHBOUR_WORDS])
        scores[(documents @ documents[[docid]].T).nonzero()[0]] = -1.0
        scores[~head.live] = -1.0
        best = np.argpartition(-scores, width - 1)[:width] if width else np.empty(0, dtype=np.int64)
        neighbours[docid] = best[np.lexsort((best, -scores[best]))]
        progress(docid + 1, len(head))
    return neighbours


def membership(head: CorpusView) -> csr_array:
    """Which documents hold the passage of each docid.

    Returns:
        A sparse matrix of shape (docids, documents) with a 1 for each; the row of a docid that is not live is empty.
    """
    column_of = {doc_id: column for column, doc_id in enumerate(head.documents)}
    documents = [[column_of[doc_id] for doc_id in head.documents_of(docid)] for docid in range(len(head))]
    starts = np.cumsum([0, *map(len, documents)])
    columns = np.array([column for row in documents for column in row], dtype=np.int64)
    return csr_array((np.ones(len(columns), dtype=np.int32), columns, starts), shape=(len(head), len(column_of)))


def heldout_docids(head: CorpusView, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Choose the docids that are never trained on.

    A document's id and the seed alone decide, so a document stays on its side whatever else is ingested
    (docs/decisions.md, 15). A passage is held out if one of its documents is. At least one document is held out, and
    never all; a third of them is the gate's. If fewer than `MIN_GATE_DOCUMENTS` would be the gate's, it shares those
    of tuning (docs/decisions.md, 16).

    Returns:
        Masks of shape (docids,): those for tuning, and those for the gate.

    Raises:
        GenretError: fewer than two documents have text.
    """
    documents = membership(head)
    columns = np.flatnonzero(documents.count_nonzero(axis=0)).tolist()
    if len(columns) < 2:
        raise GenretError("a part of the documents is held out from training: ingest at least two that have text")
    ids, seed, share = list(head.documents), settings.training.seed, settings.synthesis.heldout
    draw = {column: int(text_hash(f"heldout/{seed}/{ids[column]}"), 16) / 16**32 for column in columns}
    order = sorted(columns, key=lambda column: draw[column])
    heldout_count = min(max(1, sum(draw[column] < share for column in columns)), len(columns) - 1)
    gate_count = sum(draw[column] < share * _GATE_SHARE for column in order[: heldout_count - 1])
    heldout, gate = (documents[:, order[:n]].count_nonzero(axis=1) > 0 for n in (heldout_count, gate_count))
    return (heldout, heldout) if gate_count < MIN_GATE_DOCUMENTS else (heldout & ~gate, gate)


def write_queries(
    head: CorpusView,
    near: np.ndarray,
    settings: Settings,
    known: frozenset[int] | None = None,
    written: Sequence[WrittenQuery] = (),
) -> list[SyntheticQuery]:
    """Write all synthetic queries of a build; the same inputs and seed give the same queries.

    Args:
        head: the snapshot.
        near: lexical neighbours, shape (docids, n), as `lexical_neighbours` finds them.
        settings: how many queries a split holds, and of which kinds.
        known: docids that the parent of an update has learned; the update asks about the others, interleaved with a
            replay of these. None for a training from genesis, which asks about all alike.
        written: queries that people or a language model wrote, as `written_queries` keeps them.

    Returns:
        The queries of every split, one split after the other.
    """
    passages = source_passages(head, near, settings.retrieval)
    idf, seed = _idf(head), settings.training.seed
    extractive = ExtractiveGenerator(passages, settings.synthesis, idf, seed)
    generator = Generators([extractive, WrittenGenerator(passages, written, seed)])
    (tuning, gate), training = heldout_docids(head, settings), settings.training
    members = np.flatnonzero(head.live & ~(tuning | gate))
    if not len(members):
        raise GenretError("all documents say the same, and a part of them is held out from training: ingest others too")
    is_known = np.isin(members, list(known or ()))
    old, new, update = members[is_known], members[~is_known], known is not None
    steps, preference_steps = training.sft_steps(update), training.preference_steps(update)
    train = _interleaved(generator, old, new, steps * training.batch, training)
    hard = [row for row in _hard(generator, old, new, training) if not KINDS[row.kind].memorised]
    heldout = _heldout(generator, tuning & head.live, "tuning", settings.synthesis.heldout_queries)
    heldout += _heldout(generator, gate & head.live, "gate", settings.gate.questions)
    return train + hard[: 2 * preference_steps * training.batch] + heldout


def written_queries(
    head: CorpusView,
    lexical: LexicalIndex,
    settings: Settings,
    recorded: RecordedQueries,
    generated: GeneratedQueries,
    progress: Progress = silent,
) -> Filtered:
    """The queries that were written and that a build may use, each with its weight, and those that are left out.

    Whoever wrote them, they pass the filters together: of near-duplicates the recorded one stays.

    Args:
        head: the snapshot.
        lexical: its lexical index, the baseline of the round trip.
        settings: which documents are held out, and which attributes a query can name.
        recorded: the queries that others wrote, as they were read.
        generated: the queries that a language model wrote for this home.
        progress: called with (queries done, queries).
    """
    passages = source_passages(head, _no_neighbours(head), settings.retrieval)
    tuning, gate = heldout_docids(head, settings)
    trained = (~(tuning | gate)).tolist()
    asks = {**dict.fromkeys(TRAINED, trained), "tuning": tuning.tolist(), "gate": gate.tolist()}
    placed, refused = place(recorded, passages, _idf(head), asks)
    together = [*placed, *generated.queries]
    filtered = filter_queries(together, passages, lexical, head.live, generated.instructions, progress)
    return Filtered(filtered.kept, (*refused, *generated.refused, *filtered.refused))


def placed_queries(head: CorpusView, settings: RetrievalSettings, recorded: RecordedQueries) -> list[WrittenQuery]:
    """The queries that others wrote about live passages, unfiltered and whatever their split.

    Args:
        head: the snapshot.
        settings: settings of retrieval.
        recorded: the queries as they were read.
    """
    return place(recorded, source_passages(head, _no_neighbours(head), settings), _idf(head))[0]


def _no_neighbours(head: CorpusView) -> np.ndarray:
    return np.empty((len(head), 0), dtype=np.int64)


def _heldout(generator: Generators, mask: np.ndarray, split: str, count: int) -> list[SyntheticQuery]:
    """`count` queries about the docids of a mask, from as many epochs as that takes; fewer if there are no more."""
    queries = list[SyntheticQuery]()
    for number in range(_MAX_EPOCHS):
        rows = generator.epoch(number, np.flatnonzero(mask).tolist(), split)
        queries.extend(row for row in rows if not KINDS[row.kind].memorised)
        if len(queries) >= count or not rows:
            break
    return queries[:count]


def least_extractive(queries: Sequence[SyntheticQuery]) -> list[SyntheticQuery]:
    """The queries that share fewest words with the text: those not made of it if they are enough, else all."""
    written = [query for query in queries if not is_extractive(query)]
    return written if len(written) >= _ENOUGH else list(queries)


def is_extractive(query: SyntheticQuery) -> bool:
    """Whether a query is made of words of the text, and not written by a person or a language model."""
    return query.generator == GENERATOR


def _interleaved(
    generator: Generators, old: np.ndarray, new: np.ndarray, count: int, training: TrainingSettings
) -> list[SyntheticQuery]:
    """`count` training queries about new docids, with the replay of old ones spread evenly among them."""
    share = training.replay if len(old) and len(new) else float(not len(new))
    replayed = round(share * count)
    replay = generator.stream(old.tolist(), replayed) if replayed else iter(())
    fresh = generator.stream(new.tolist(), count - replayed) if replayed < count else iter(())
    is_replay = [((i + 1) * replayed) // count > (i * replayed) // count for i in range(count)]
    return [next(replay if turn else fresh) for turn in is_replay]


def _hard(generator: Generators, old: np.ndarray, new: np.ndarray, training: TrainingSettings) -> list[SyntheticQuery]:
    """Stage-2 queries, the hardest there are: about new docids, interleaved with the replay of old ones."""
    fresh = generator.epoch(0, new.tolist(), "hard", hard=True)
    if not len(old):
        return fresh
    replay = generator.epoch(1, old.tolist(), "hard", hard=True)
    per_fresh = max(1, round(training.replay / (1 - training.replay))) if training.replay else 0
    return [
        row for i, fresh_row in enumerate(fresh) for row in (fresh_row, *replay[i * per_fresh : (i + 1) * per_fresh])
    ]


def source_passages(head: CorpusView, near: np.ndarray, settings: RetrievalSettings) -> list[SourcePassage]:
    """The snapshot as the generator reads it, in docid order; attributes are those that a query can name."""
    attribute_profile = profile(head.documents.values())
    detectable_values = detectable(attribute_profile, settings, len(head.documents))
    values_of = {name: set(values) for name, values in detectable_values.items()}
    dates = date_attributes(attribute_profile)
    rows = list[SourcePassage]()
    for docid, passage in enumerate(head.passages):
        if not head.live[docid]:
            rows.append(SourcePassage(passage.passage_id, frozenset(), "", "", (), {}))
            continue
        document = head.first_document(docid)
        attributes = {
            name: value
            for name, value in document.metadata.items()
            if (name in dates and is_date(value)) or value in values_of.get(name, ())
        }
        rows.append(
            SourcePassage(
                passage.passage_id,
                frozenset(head.documents_of(docid)),
                document.title,
                passage.text,
                passage.sentences,
                attributes,
                tuple(near[docid]),
                document.doc_id,
            )
        )
    return rows


def _idf(head: CorpusView) -> dict[str, float]:
    """Inverse document frequency of each lower-cased word among all passages: ln(passages / passages with it)."""
    counts = Counter(word for passage in head.passages for word in {w.lower() for w in WORD.findall(passage.text)})
    return {word: math.log(len(head) / count) for word, count in counts.items()}


def read_queries(store: TableStore, delta: str, version: int, splits: Sequence[str] = SPLITS) -> list[SyntheticQuery]:
    """Read the stored queries of a delta as they were written.

    Args:
        store: the tables of the home.
        delta: name of the delta.
        version: version of the table `queries`.
        splits: the splits to read.
    """
    table = store.read("queries", version)
    rows = table.filter((pc.field("delta") == delta) & pc.field("split").isin(list(splits))).drop_columns("delta")
    return [
        SyntheticQuery(
            **{
                **row,
                "positives": tuple(row["positives"]),
                "withheld": tuple(row["withheld"]),
                "constraints": json.loads(row["constraints"]),
            }
        )
        for row in rows.to_pylist()
    ]


def withheld_sentences(head: CorpusView, queries: Sequence[SyntheticQuery]) -> dict[int, frozenset[str]]:
    """Sentences to withhold by docid: those of every second query, as long as the passage has others left."""
    withheld = dict[int, set[str]]()
    for query in queries[::2]:
        for positive in query.positives:
            docid = head.docid_of[positive]
            sentences = set(head.passages[docid].sentences)
            taken = withheld.get(docid, set()) | (sentences & set(query.withheld))
            if taken and len(taken) < len(sentences):
                withheld[docid] = taken
    return {docid: frozenset(taken) for docid, taken in withheld.items()}
