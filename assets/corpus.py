"""The stages of an ingest: documents in, a committed corpus head with docids out."""

from collections import Counter
from collections.abc import Mapping

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.lib.metadata_views import markdown_table
from assets.lib.resources import (
    CHECK,
    NOT_COMMITTED,
    TABLES,
    HomeResource,
    deltas,
    left_by,
    open_delta,
    require_checked,
    table_links,
    table_version,
    tables_of,
)
from genret_ops.errors import GenretError
from genret_ops.records import canonical_json, text_hash
from genret_ops.storage.commits import record_path
from genret_ops.storage.tables import TableStore

_SHOWN = 20
_SOUND = "That a docid means one passage for ever, and spells it; asked before anything is committed."
_CUT_FROM = "version of documents"
_GROWN = 0.2
"""Share of newer docids from which a snapshot has word statistics of its own."""


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", kinds={"lancedb"})
def snapshot(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """All documents of the sources as they are now; inputs that cannot be read are quarantined with the reason."""
    from genret_ops.corpus.snapshot import take_snapshot
    from genret_ops.ingestion.sources import read_all, wanted

    delta, store = open_delta(context, home), home.home.store
    remembered = store.committed(store.snapshots()[-1])["sources"] if store.snapshots() else ()
    sources = home.sources or list(wanted(home.settings.sources, home.home.path, remembered))
    facts = take_snapshot(store, read_all(home.home.path, sources, home.settle, home.restless), delta)
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(facts.tables),
            **table_links(home, facts.tables),
            "sources": sources,
            "documents": facts.documents,
            "quarantined": facts.quarantined,
            "reasons": markdown_table(("refused because", "inputs"), facts.reasons.items()),
        },
        data_version=table_version(facts.tables),
    )


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[snapshot])
def delta(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """What was added, changed and removed since the snapshot before."""
    from genret_ops.corpus.delta import between
    from genret_ops.corpus.erased import Erased, document_key

    open_delta(context, home)
    store = home.home.store
    before = store.snapshots()[-1] if store.snapshots() else None
    found = between(store, before, tables_of(context, "snapshot")["documents"])
    changes = {kind: getattr(found, kind) for kind in ("added", "changed", "removed", "redescribed")}
    erased = Erased.of(home.home.path).asked
    shown = {kind: [doc_id for doc_id in ids if document_key(doc_id) not in erased] for kind, ids in changes.items()}
    samples = [(kind, len(ids), ", ".join(shown[kind][:5])) for kind, ids in changes.items()]
    return dg.MaterializeResult(
        metadata={
            "since": before or "nothing: this is the first snapshot",
            **{kind: len(ids) for kind, ids in changes.items()},
            "documents": markdown_table(("change", "documents", "such as"), samples),
        },
        data_version=dg.DataVersion(text_hash(canonical_json([before, {k: list(v) for k, v in changes.items()}]))),
    )


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[snapshot])
def metadata(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The attributes that documents carry, and which of their values a query can be seen to name."""
    from genret_ops.corpus.metadata import date_attributes, detectable, profile
    from genret_ops.corpus.snapshot import read_documents

    documents = read_documents(home.home.store, tables_of(context, "snapshot")["documents"])
    found = profile(documents)
    named = detectable(found, home.settings.retrieval, len(documents))
    rows = [
        (name, sum(values.values()), len(values), len(named.get(name, ())), ", ".join(list(values)[:3]))
        for name, values in found.items()
    ]
    header = ("attribute", "documents", "values", "detected in queries", "most frequent")
    return dg.MaterializeResult(
        metadata={
            "attributes": len(found),
            "detected": list(named),
            "dates": list(date_attributes(found)),
            "profile": markdown_table(header, rows[:_SHOWN]),
        },
        data_version=dg.DataVersion(text_hash(canonical_json(found))),
    )


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[delta, metadata], kinds={"lancedb"})
def passages(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """Documents cut into passages, so that an edit stays local; an unchanged body is the same passage as before."""
    from genret_ops.corpus.cut import cut_snapshot
    from genret_ops.ingestion.sources import cut_of
    from genret_ops.modeling.encoder import token_count

    open_delta(context, home)
    count = token_count(home.settings.model.encoder)
    version, store = tables_of(context, "snapshot")["documents"], home.home.store
    last = store.committed(store.snapshots()[-1]) if store.snapshots() else None
    before = last[TABLES] if last and last["cut"] == cut_of(home.settings) else None
    facts = cut_snapshot(store, home.settings.corpus, count, version, before)
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(facts.tables),
            **table_links(home, facts.tables),
            _CUT_FROM: version,
            "passages": facts.passages,
            "new": facts.new,
            "occurrences": facts.occurrences,
            "documents without passages": facts.without_passages,
        },
        data_version=table_version(facts.tables),
    )


@dg.asset(
    partitions_def=deltas,
    group_name="corpus",
    code_version="1",
    deps=[passages],
    kinds={"lancedb"},
    check_specs=[dg.AssetCheckSpec(CHECK, asset="docids", blocking=True, description=_SOUND)],
)
def docids(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """A docid and a readable label for every new passage; then, if they are sound, the record that commits."""
    from genret_ops.corpus.cut import titled_passages
    from genret_ops.corpus.erased import Erased
    from genret_ops.identifiers.docids import assign, forget
    from genret_ops.records import SCHEMAS
    from validations.dagster_checks import check_result
    from validations.runner import validate
    from validations.suites import docids as sound

    name, store, erased = open_delta(context, home), home.home.store, Erased.of(home.home.path).keys
    checked = require_checked(context, "snapshot", "metadata", "passages")
    tables = {**tables_of(context, "snapshot"), **tables_of(context, "passages")}
    if left_by(context, "passages")[_CUT_FROM] != tables["documents"]:
        raise GenretError("the passages were cut from documents of before: materialise `passages` again, then `docids`")
    last = store.committed(store.snapshots()[-1]) if store.snapshots() else None
    before = store.read("docids", last[TABLES]["docids"]) if last else SCHEMAS["docids"].empty_table()
    titled = titled_passages(store, tables)
    live = {passage_id for passage_id, _, _ in titled}
    forgets = last is not None and last.get("erased", []) != erased
    given = forget(before, live) if forgets else before
    new = assign(given, titled, name)
    rows = pa.concat_tables([given, new])
    tables["docids"] = store.replace("docids", rows)
    version = table_version(tables)
    frame = sound.frame(rows, before, live)
    found = validate(frame, sound.suite(), sound.KEY, sound.figures(frame))
    told = check_result(home.home.path, found, name, version.value, NOT_COMMITTED, asset="docids")
    if not found.refused:
        checked["docids"] = found.warnings
        _commit(context, home, tables, checked, erased, forgets)
    samples = list(zip(new["docid"].to_pylist(), new["label"].to_pylist(), strict=True))[:_SHOWN]
    return dg.MaterializeResult(
        metadata={
            TABLES: tables,
            **table_links(home, tables),
            "committed record": dg.MetadataValue.path(record_path(home.home.path, name)),
            "docids": rows.num_rows,
            "new": new.num_rows,
            "live": len(live),
            "labels": markdown_table(("docid", "label"), samples),
        },
        data_version=version,
        check_results=[told],
    )


def _commit(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    tables: Mapping[str, int],
    checked: Mapping[str, list[str]],
    erased: list[str],
    forgets: bool,
) -> None:
    """Write the record that makes the snapshot exist; `forgets` says that word statistics of before may not be used."""
    from genret_ops.corpus.view import CorpusView
    from genret_ops.ingestion.inbox import postings
    from genret_ops.ingestion.sources import cut_of

    name, store = str(context.partition_key), home.home.store
    head = CorpusView.load(store, {TABLES: tables})
    reading, changes = left_by(context, "snapshot"), left_by(context, "delta")
    refused = store.read("quarantine", tables["quarantine"]).filter(pc.field("delta") == name)
    store.commit(
        name,
        tables,
        head.places(),
        {document.doc_id: document.metadata_hash for document in head.documents.values()},
        statistics=name if forgets else _statistics(store, name, cut_of(home.settings), len(head)),
        sources=reading["sources"],
        cut=cut_of(home.settings),
        checked=checked,
        erased=erased,
        posted=postings(head.documents.values()),
        documents=len(head.documents),
        passages=int(head.live.sum()),
        docids=len(head),
        reasons=dict(Counter(refused["reason"].to_pylist()).most_common()),
        changes={kind: changes[kind] for kind in ("added", "changed", "removed", "redescribed")},
    )


def _statistics(store: TableStore, name: str, cut: object, docids: int) -> str:
    """The snapshot whose word statistics `name` uses: an earlier one, unless a good part of the docids is newer."""
    if not store.snapshots():
        return name
    last = store.committed(store.snapshots()[-1])
    base = store.committed(last["statistics"])
    return str(base["snapshot"]) if base["cut"] == cut and docids - base["docids"] <= _GROWN * docids else name
