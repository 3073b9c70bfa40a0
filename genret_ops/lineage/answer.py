"""Why an answer is what it is: its passage, the document and file that it came from, and what taught the model."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.extracted import TABLE, extracted_of
from genret_ops.corpus.snapshot import documents_of, version_in
from genret_ops.errors import GenretError
from genret_ops.ingestion.inbox import Inbox, posting_of
from genret_ops.lineage.lineage import release_facts, source_of
from genret_ops.records import Document, Hit, canonical_json, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.retrieval.retriever import Answer, Retriever
from genret_ops.storage.commits import delta_number
from genret_ops.storage.tables import TableStore
from genret_ops.text import plural

_SAMPLES = 3
"""Queries of a training that are shown."""
_TEACHING = {
    "taught": "queries of its trainings asked for this passage",
    "fresh": "the passage came after the last training: words and the map that all passages share found it",
    "held out": "its document is held out from training: queries about it tuned and judged, and taught nothing",
    "not asked": "the trainings knew the passage, and none of their queries asked for it",
    "unknown": "the queries of its trainings are gone with their releases",
}


def answer_lineage(home: Home, release: Release, retriever: Retriever, answer: Answer, rank: int) -> dict[str, Any]:
    """Where one hit of an answer comes from.

    Args:
        home: the home.
        release: the release that answered.
        retriever: the retriever of that release.
        answer: what it answered.
        rank: which hit, counted from 1.

    Returns:
        The lineage, as JSON: what `release_facts` says of the release, and the hit's passage, document, source, delta
        and the queries that taught it.

    Raises:
        GenretError: there are fewer hits.
    """
    if not 1 <= rank <= len(answer.hits):
        count = plural(len(answer.hits), "passage") if answer.hits else "nothing"
        raise GenretError(f"no answer of rank {rank}: the query finds {count}")
    hit, head = answer.hits[rank - 1], retriever.index.head
    store, facts = home.store, release_facts(home, release)
    document = _document(store, release, hit.doc_id)
    occurrences = head.occurrences[hit.docid]
    return {
        "query": answer.query,
        "mode": answer.mode,
        "answer": {
            "rank": rank,
            **{name: getattr(hit, name) for name in ("passage_id", "doc_id", "title", "text", "docid", "label")},
            "section": next(each.section for each in occurrences if each.doc_id == hit.doc_id),
            "also_in": sorted({each.doc_id for each in occurrences} - {hit.doc_id}),
            **{name: getattr(hit, name) for name in ("score", "state")},
        },
        "document": {
            "doc_id": document.doc_id,
            "title": document.title,
            "metadata": dict(document.metadata),
            "text_hash": document.text_hash,
            "metadata_hash": document.metadata_hash,
            **_extracted(store, release, document),
            "snapshot": release.delta,
        },
        "source": _source(home, document),
        "delta": _arrival(store, release, document) | {"docid_given": _docid_delta(store, release, hit.docid)},
        "taught": _teaching(store, facts["chain"], hit, set(head.places()[hit.doc_id])),
        **facts,
    }


def training_rows(store: TableStore, training: Mapping[str, Any], passage: str) -> list[dict[str, Any]]:
    """The synthetic queries of a training that have this passage among their right answers, as they are stored."""
    rows = _queries(store, training)
    chosen = [number for number, positives in enumerate(rows["positives"].to_pylist()) if passage in positives]
    return list(rows.take(pa.array(chosen, pa.int64())).to_pylist())


def _document(store: TableStore, release: Release, doc_id: str) -> Document:
    rows = store.read("documents", release.head.tables["documents"]).filter(pc.field("doc_id") == doc_id)
    (document,) = documents_of(rows)
    return document


def _extracted(store: TableStore, release: Release, document: Document) -> dict[str, list[dict[str, Any]]]:
    """The attributes that were read from a document's text, each with its evidence, if the snapshot has any."""
    if TABLE not in release.head.tables:
        return {}
    rows = store.read(TABLE, release.head.tables[TABLE]).filter(pc.field("doc_id") == document.doc_id)
    names = ("attribute", "value", "confidence", "by", "start", "end")
    values = [
        {**{name: getattr(value, name) for name in names}, "evidence": document.text[value.start : value.end]}
        for value in extracted_of(rows)
    ]
    return {"extracted": values}


def _source(home: Home, document: Document) -> dict[str, Any]:
    """Where a document was read; who posted it and when, if it was posted."""
    ticket = posting_of(document)
    posted = Inbox(home).ticket(ticket) if ticket else None
    return {
        "source": document.source,
        "file": source_of(home, document),
        "hash": document.source_hash,
        "posted": {"at": posted.at, "by": posted.by} if posted else None,
    }


def _arrival(store: TableStore, release: Release, document: Document) -> dict[str, Any]:
    """The delta that brought this very version of a document: the oldest snapshot up to which all hold it.

    `sure` is false if the snapshot before that one is no longer kept: an earlier delta may have brought it then.
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


def _docid_delta(store: TableStore, release: Release, docid: int) -> str:
    """The delta in which a passage got its docid; a passage that comes back keeps the one it had."""
    rows = store.read("docids", release.head.tables["docids"]).filter(pc.field("docid") == docid)
    return str(rows["delta"][0].as_py())


def _queries(store: TableStore, training: Mapping[str, Any]) -> pa.Table:
    rows = store.read("queries", training["tables"]["queries"]["version"])
    return rows.filter(pc.field("delta") == training["trained_on"])


def _teaching(
    store: TableStore, chain: Sequence[Mapping[str, Any]], hit: Hit, document_passages: Collection[str]
) -> dict[str, Any]:
    """How often each training asked for a passage."""
    known = [training for training in chain if not training["gone"]]
    trainings = [_training_queries(store, training, hit.passage_id) for training in known]
    if any(training["taught"] for training in trainings):
        state = "taught"
    elif hit.state == "fresh":
        state = "fresh"
    elif any(_held_out(store, training, document_passages) for training in known):
        state = "held out"
    else:
        state = "not asked" if len(known) == len(chain) else "unknown"
    return {"state": state, "told": _TEACHING[state], "trainings": trainings}


def _training_queries(store: TableStore, training: Mapping[str, Any], passage: str) -> dict[str, Any]:
    rows = training_rows(store, training, passage)
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


def _held_out(store: TableStore, training: Mapping[str, Any], passages: Collection[str]) -> bool:
    """Whether a training asked for one of these passages to tune or to judge, and not to teach."""
    rows = _queries(store, training).filter(pc.field("split").isin(["tuning", "gate"]))
    return any(not set(passages).isdisjoint(positives) for positives in rows["positives"].to_pylist())
