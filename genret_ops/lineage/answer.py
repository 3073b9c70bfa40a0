"""Why an answer is what it is: its passage, the document and file that this came from, and what taught the model it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.snapshot import documents_of, version_in
from genret_ops.errors import GenretError
from genret_ops.ingestion.inbox import Inbox, posting_of
from genret_ops.lineage.lineage import of_release, origin
from genret_ops.records import Document, Hit, canonical_json, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.retrieval.retriever import Answer, Retriever
from genret_ops.storage.commits import delta_number
from genret_ops.storage.tables import TableStore

_SAMPLES = 3
_TOLD = {
    "taught": "queries of its trainings asked for this passage",
    "fresh": "the passage came after the last training: found by words and by the map that all passages share",
    "held out": "its document is held out from training: queries about it tuned and judged, and taught nothing",
    "not asked": "the trainings knew the passage and no query of theirs asked for it",
    "unknown": "the queries of its trainings are gone with their releases",
}


def why(home: Home, release: Release, retriever: Retriever, found: Answer, rank: int) -> dict[str, Any]:
    """The lineage of one answer; `rank` counts from 1.

    Raises:
        GenretError: there are fewer answers.
    """
    if not 1 <= rank <= len(found.hits):
        told = f"has {len(found.hits)} of them, so ask for a lower one" if found.hits else "finds nothing"
        raise GenretError(f"no answer of rank {rank}: the query {told}")
    hit, head = found.hits[rank - 1], retriever.index.head
    document = _document(home.store, release, hit.doc_id)
    common = of_release(home, release)
    places = head.occurrences[hit.docid]
    return {
        "query": found.query,
        "mode": found.mode,
        "answer": {
            "rank": rank,
            **{name: getattr(hit, name) for name in ("passage_id", "doc_id", "title", "text", "docid", "label")},
            "section": next(place.section for place in places if place.doc_id == hit.doc_id),
            "also_in": sorted({place.doc_id for place in places} - {hit.doc_id}),
            **{name: getattr(hit, name) for name in ("score", "state")},
        },
        "document": {
            "doc_id": document.doc_id,
            "title": document.title,
            "metadata": dict(document.metadata),
            "text_hash": document.text_hash,
            "metadata_hash": document.metadata_hash,
            "snapshot": release.delta,
        },
        "source": _source(home, document),
        "delta": _brought(home.store, release, document) | {"docid_given": _given(home.store, release, hit.docid)},
        "taught": _taught(home.store, common["chain"], hit, set(head.places()[hit.doc_id])),
        **common,
    }


def rows_about(store: TableStore, training: Mapping[str, Any], passage: str) -> list[dict[str, Any]]:
    """The synthetic queries of a training that have this passage among their right answers, as they are stored."""
    rows = _queries(store, training)
    chosen = [place for place, right in enumerate(rows["positives"].to_pylist()) if passage in right]
    return list(rows.take(pa.array(chosen, pa.int64())).to_pylist())


def _document(store: TableStore, release: Release, doc_id: str) -> Document:
    rows = store.read("documents", release.head.tables["documents"]).filter(pc.field("doc_id") == doc_id)
    (document,) = documents_of(rows)
    return document


def _source(home: Home, document: Document) -> dict[str, Any]:
    """Where a document was read; of one that was posted, by whom and when."""
    ticket = posting_of(document)
    posted = Inbox(home).ticket(ticket) if ticket else None
    return {
        "source": document.source,
        "file": origin(home, document),
        "hash": document.source_hash,
        "posted": {"at": posted.at, "by": posted.by} if posted else None,
    }


def _brought(store: TableStore, release: Release, document: Document) -> dict[str, Any]:
    """The first of the snapshots in a row, back from the release's, that hold this very version of the document.

    `sure` is false where the snapshot before it is no longer kept: an earlier delta may have brought it then.
    """
    names = [name for name in store.snapshots() if delta_number(name) <= delta_number(release.delta)]
    first, before = release.delta, None
    for name in reversed(names):
        before = version_in(store, name, document.doc_id)
        if before != (document.text_hash, document.metadata_hash):
            break
        first, before = name, None
    number = delta_number(first)
    sure = number == 0 or any(delta_number(name) == number - 1 for name in names)
    change = "added" if before is None else "changed" if before[0] != document.text_hash else "redescribed"
    return {
        "delta": first,
        "committed_at": store.committed(first).committed_at,
        "change": change if sure else None,
        "sure": sure,
    }


def _given(store: TableStore, release: Release, docid: int) -> str:
    """The delta in which a passage got its docid; a body that comes back keeps the one it had."""
    rows = store.read("docids", release.head.tables["docids"]).filter(pc.field("docid") == docid)
    return str(rows["delta"][0].as_py())


def _queries(store: TableStore, training: Mapping[str, Any]) -> pa.Table:
    rows = store.read("queries", training["tables"]["queries"]["version"])
    return rows.filter(pc.field("delta") == training["trained_on"])


def _taught(store: TableStore, chain: Sequence[Mapping[str, Any]], hit: Hit, own: set[str]) -> dict[str, Any]:
    """How often each training asked for a passage; `own` are the passages of its document."""
    kept = [training for training in chain if not training["gone"]]
    found = [_asked(store, training, hit.passage_id) for training in kept]
    if any(one["taught"] for one in found):
        state = "taught"
    elif hit.state == "fresh":
        state = "fresh"
    elif any(_held_out(store, training, own) for training in kept):
        state = "held out"
    else:
        state = "not asked" if len(kept) == len(chain) else "unknown"
    return {"state": state, "told": _TOLD[state], "trainings": found}


def _asked(store: TableStore, training: Mapping[str, Any], passage: str) -> dict[str, Any]:
    rows = rows_about(store, training, passage)
    taught = [row for row in rows if row["split"] in ("train", "hard")]
    pairs = store.read("pairs", training["tables"]["pairs"]["version"])
    counts = {name: pc.sum(pc.equal(pairs[name], passage)).as_py() or 0 for name in ("chosen", "rejected")}
    return {
        "release": training["release"],
        "taught": dict(sorted(Counter(row["kind"] for row in taught).items())),
        "kept_out": dict(sorted(Counter(row["split"] for row in rows if row not in taught).items())),
        "pairs": counts,
        "samples": [{"kind": row["kind"], "text": row["text"]} for row in taught[:_SAMPLES]],
        "rows": len(rows),
        "rows_hash": text_hash(canonical_json(rows)),
    }


def _held_out(store: TableStore, training: Mapping[str, Any], own: set[str]) -> bool:
    rows = _queries(store, training).filter(pc.field("split").isin(["tuning", "gate"]))
    return any(not own.isdisjoint(right) for right in rows["positives"].to_pylist())
