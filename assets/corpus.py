"""The stages of an ingest: documents in, a committed corpus head with docids out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.lib.handover import (
    CHECK,
    NOT_COMMITTED,
    TABLES,
    require_checked,
    stage_metadata,
    table_links,
    table_version,
    tables_of,
)
from assets.lib.metadata_views import table
from assets.lib.resources import SourceReader, StageResource
from assets.partitions import deltas, require_next_delta
from genret_ops.errors import GenretError
from genret_ops.progress import progress
from genret_ops.records import ExtractedValue, SnapshotRecord, canonical_json, text_hash
from genret_ops.storage.commits import record_path

if TYPE_CHECKING:
    from genret_ops.synthesis.generation import Generated

_SHOWN = 20
_SOUND = "Whether each docid means one passage for ever, and can be generated; checked before anything is committed."
_MADE_FROM, _UNREAD = "version of documents", "texts are left because"
_GROWN = 0.2
"""Share of newer docids from which a snapshot has word statistics of its own."""


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", kinds={"lancedb"})
def snapshot(
    context: dg.AssetExecutionContext, home: StageResource, reader: dg.ResourceParam[SourceReader]
) -> dg.MaterializeResult[None]:
    """All documents of the sources as they are now; inputs that cannot be read are quarantined with the reason."""
    from genret_ops.corpus.snapshot import take_snapshot
    from genret_ops.ingestion.sources import known_sources

    delta, store = require_next_delta(context, home), home.home.store
    sources = home.sources or list(known_sources(home.home))
    taken = take_snapshot(store, reader.read(home, sources).items, delta)
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(taken.tables),
            **table_links(home, taken.tables),
            "sources": sources,
            "documents": taken.documents,
            "quarantined": taken.quarantined,
            "reasons": table(("refused because", "inputs"), taken.reasons.items()),
        },
        data_version=table_version(taken.tables),
    )


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[snapshot])
def delta(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """What was added, changed and removed since the snapshot before."""
    from genret_ops.corpus.delta import between
    from genret_ops.corpus.erased import Erased, document_key

    require_next_delta(context, home)
    store = home.home.store
    last = store.newest()
    before = last.snapshot if last else None
    difference = between(store, before, tables_of(context, "snapshot")["documents"])
    changes = difference.by_kind
    erased = Erased.of(home.home.path).times
    shown = {kind: [doc_id for doc_id in ids if document_key(doc_id) not in erased] for kind, ids in changes.items()}
    samples = [(kind, len(ids), ", ".join(shown[kind][:5])) for kind, ids in changes.items()]
    return dg.MaterializeResult(
        metadata={
            "since": before or "nothing: this is the first snapshot",
            **{kind: len(ids) for kind, ids in changes.items()},
            "documents": table(("change", "documents", "such as"), samples),
        },
        data_version=dg.DataVersion(text_hash(canonical_json([before, {k: list(v) for k, v in changes.items()}]))),
    )


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[snapshot])
def metadata(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """The attributes that documents carry, read from their texts where the settings say so, and which queries name."""
    from genret_ops.corpus.extracted import TABLE, with_extracted
    from genret_ops.corpus.metadata import date_attributes, detectable, profile
    from genret_ops.corpus.snapshot import read_documents
    from genret_ops.extraction.extractor import extract_snapshot
    from genret_ops.synthesis.attribute_requests import AttributeReader

    store, version = home.home.store, tables_of(context, "snapshot")["documents"]
    settings, reader = home.home.settings, None
    with progress("reading attributes", "requests") as report:
        if settings.extraction.language_model:
            reader = AttributeReader(home.home.path, settings, report)
        extracted = extract_snapshot(store, settings.extraction, version, store.newest(), reader)
    rows = store.read(TABLE, extracted.tables[TABLE]) if extracted.tables else None
    documents = with_extracted(read_documents(store, version), rows)
    attributes = profile(documents)
    named = detectable(attributes, home.settings.retrieval, len(documents))
    rows_shown = [
        (name, sum(values.values()), len(values), len(named.get(name, ())), ", ".join(list(values)[:3]))
        for name, values in attributes.items()
    ]
    header = ("attribute", "documents", "values", "detected in queries", "most frequent")
    identity = [attributes, dict(extracted.tables)] if extracted.tables else attributes
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(extracted.tables),
            **table_links(home, extracted.tables),
            _MADE_FROM: version,
            "attributes": len(attributes),
            "detected": list(named),
            "dates": list(date_attributes(attributes)),
            "profile": table(header, rows_shown[:_SHOWN]),
            **_extraction_shown(extracted.values, extracted.read, len(documents)),
            **(_requests_shown(reader.generated) if reader and reader.generated else {}),
            _UNREAD: reader.unread if reader else "",
        },
        data_version=dg.DataVersion(text_hash(canonical_json(identity))),
    )


def _extraction_shown(values: Sequence[ExtractedValue], read: int, documents: int) -> dict[str, dg.MetadataValue | int]:
    """What was read from texts, by attribute, with samples; nothing if nothing was."""
    if not values and not read:
        return {}
    by_attribute = dict[str, list[ExtractedValue]]()
    for value in values:
        by_attribute.setdefault(value.attribute, []).append(value)
    rows = [
        (
            name,
            len({value.doc_id for value in each}) / documents,
            sum(value.end > value.start for value in each) / len(each),
            sum(value.confidence for value in each) / len(each),
            ", ".join(f"{by} {count}" for by, count in Counter(value.by for value in each).most_common()),
        )
        for name, each in by_attribute.items()
    ]
    samples = [
        (value.attribute, value.doc_id, value.value, value.confidence, value.by)
        for each in by_attribute.values()
        for value in each[: max(1, _SHOWN // len(by_attribute))]
    ]
    return {
        "documents read anew": read,
        "extracted": table(("attribute", "filled", "with evidence", "confidence", "read by"), rows),
        "samples": table(("attribute", "document", "value", "confidence", "read by"), samples),
    }


def _requests_shown(generated: "Generated") -> dict[str, dg.MetadataValue | int]:
    """What came of asking a language model about texts."""
    return {
        "texts shown to a language model": generated.tasks,
        "answered": generated.answered,
        "without an answer": table(("reason", "requests"), list(generated.reasons.items())),
    }


@dg.asset(partitions_def=deltas, group_name="corpus", code_version="1", deps=[delta, metadata], kinds={"lancedb"})
def passages(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Documents cut into passages, so that an edit stays local; an unchanged body is the same passage as before."""
    from genret_ops.corpus.chunking import cut_snapshot
    from genret_ops.ingestion.sources import cut_settings
    from genret_ops.modeling.encoder import token_count

    require_next_delta(context, home)
    count = token_count(home.settings.model.encoder)
    version, store = tables_of(context, "snapshot")["documents"], home.home.store
    last = store.newest()
    before = last.tables if last and last.cut == cut_settings(home.settings) else None
    cut = cut_snapshot(store, home.settings.corpus, count, version, before)
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(cut.tables),
            **table_links(home, cut.tables),
            _MADE_FROM: version,
            "passages": cut.passages,
            "new": cut.new,
            "occurrences": cut.occurrences,
            "documents without passages": cut.without_passages,
        },
        data_version=table_version(cut.tables),
    )


@dg.asset(
    partitions_def=deltas,
    group_name="corpus",
    code_version="1",
    deps=[passages],
    kinds={"lancedb"},
    check_specs=[dg.AssetCheckSpec(CHECK, asset="docids", blocking=True, description=_SOUND)],
)
def docids(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """A docid and a readable label for every new passage; if they are sound, the record that commits the snapshot."""
    from genret_ops.corpus.chunking import titled_passages
    from genret_ops.corpus.erased import Erased
    from genret_ops.corpus.extracted import TABLE
    from genret_ops.identifiers.docids import assign, forget
    from genret_ops.records import SCHEMAS
    from validations.dagster_checks import check_result
    from validations.runner import validate
    from validations.suites import docids as docids_suite

    name, store, erased = require_next_delta(context, home), home.home.store, Erased.of(home.home.path).keys
    checked = require_checked(context, "snapshot", "metadata", "passages")
    tables = {**tables_of(context, "snapshot"), **tables_of(context, "metadata"), **tables_of(context, "passages")}
    if stage_metadata(context, "passages")[_MADE_FROM] != tables["documents"]:
        raise GenretError("the passages were cut from earlier documents: materialise `passages` again, then `docids`")
    if TABLE in tables and stage_metadata(context, "metadata")[_MADE_FROM] != tables["documents"]:
        raise GenretError("attributes were read from earlier documents: materialise `metadata` again, then `docids`")
    last = store.newest()
    before = store.read("docids", last.tables["docids"]) if last else SCHEMAS["docids"].empty_table()
    titled = titled_passages(store, tables)
    live = {passage_id for passage_id, _, _ in titled}
    forgets = last is not None and list(last.erased) != erased
    given = forget(before, live) if forgets else before
    new = assign(given, titled, name)
    rows = pa.concat_tables([given, new])
    tables["docids"] = store.replace("docids", rows)
    version = table_version(tables)
    frame = docids_suite.frame(rows, before, live)
    report = validate(frame, docids_suite.suite(), docids_suite.KEY, docids_suite.figures(frame))
    check = check_result(home.home.path, report, name, version.value, NOT_COMMITTED, asset="docids")
    if not report.refused:
        checked["docids"] = report.warnings
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
            "labels": table(("docid", "label"), samples),
        },
        data_version=version,
        check_results=[check],
    )


def _commit(
    context: dg.AssetExecutionContext,
    home: StageResource,
    tables: Mapping[str, int],
    checked: Mapping[str, Sequence[str]],
    erased: list[str],
    forgets: bool,
) -> None:
    """Write the record that makes the snapshot exist; `forgets` says that earlier word statistics may not be used."""
    from genret_ops.corpus.delta import CHANGE_KINDS
    from genret_ops.corpus.view import CorpusView
    from genret_ops.extraction.extractor import extraction_key
    from genret_ops.ingestion.inbox import postings
    from genret_ops.ingestion.sources import cut_settings

    name, store = str(context.partition_key), home.home.store
    head = CorpusView.load(store, tables)
    refused = store.read("quarantine", tables["quarantine"]).filter(pc.field("delta") == name)
    changes = stage_metadata(context, "delta")
    record = SnapshotRecord(
        snapshot=name,
        tables=tables,
        statistics=name if forgets else _statistics(home, name, len(head)),
        sources=stage_metadata(context, "snapshot")["sources"],
        cut=cut_settings(home.settings),
        extraction=extraction_key(home.home.settings.extraction),
        unread=stage_metadata(context, "metadata")[_UNREAD],
        checked=checked,
        erased=erased,
        posted=postings(head.documents.values()),
        documents=len(head.documents),
        passages=int(head.live.sum()),
        docids=len(head),
        reasons=dict(Counter(refused["reason"].to_pylist()).most_common()),
        changes={kind: changes[kind] for kind in CHANGE_KINDS},
    )
    hashes = {document.doc_id: document.metadata_hash for document in head.documents.values()}
    store.commit(record, head.places(), hashes)


def _statistics(home: StageResource, name: str, docids: int) -> str:
    """The snapshot whose word statistics `name` uses: an earlier one, unless a good part of the docids is newer."""
    from genret_ops.ingestion.sources import cut_settings

    if (last := home.home.store.newest()) is None:
        return name
    base = home.home.store.committed(last.statistics)
    same_cut = base.cut == cut_settings(home.settings)
    return base.snapshot if same_cut and docids - base.docids <= _GROWN * docids else name
