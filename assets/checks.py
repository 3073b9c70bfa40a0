"""The data checks: what was written is looked at before anything is built on it.

A check that fails stops its run, and `require_checked` (lib/handover.py) stops any later one. The stage of docids
commits the snapshot, so it checks them itself, before it does (corpus.py).
"""

import json

import dagster as dg

from assets.lib.handover import CHECK, NOT_COMMITTED, tables_of, version_of
from assets.lib.resources import StageResource
from assets.release import FUSION_WEIGHTS
from genret_ops.storage.check_results import SuiteResult
from validations.dagster_checks import check_result

_NOT_TRAINED = "Nothing was trained, and answers stay as they are"
_NOT_PREFERRED = "Nothing was learned from them, and answers stay as they are"
_NOT_RELEASED = "Nothing was released, and answers stay as they are"


@dg.asset_check(asset="snapshot", name=CHECK, blocking=True)
def documents_are_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Ids, titles, texts and metadata of the documents."""
    from validations.runner import validate
    from validations.suites import documents

    rows = home.home.store.read("documents", tables_of(context, "snapshot")["documents"])
    frame = documents.frame(rows)
    report = validate(frame, documents.suite(), documents.KEY, documents.figures(frame))
    return _check(context, home, "snapshot", report, NOT_COMMITTED)


@dg.asset_check(asset="metadata", name=CHECK, blocking=True)
def attributes_are_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Names, values, dates, fill and evidence of the attributes; what fails here stops no run."""
    from genret_ops.corpus.extracted import TABLE, extracted_of
    from genret_ops.corpus.snapshot import read_documents
    from validations.runner import validate
    from validations.suites import metadata

    store = home.home.store
    documents = read_documents(store, tables_of(context, "snapshot")["documents"])
    versions = tables_of(context, "metadata")
    extracted = extracted_of(store.read(TABLE, versions[TABLE])) if TABLE in versions else []
    schema = home.home.settings.extraction.attributes
    frame = metadata.frame(documents, home.settings.retrieval, schema, extracted)
    report = validate(frame, metadata.suite(), metadata.KEY, metadata.figures(frame))
    return _check(context, home, "metadata", report, NOT_COMMITTED)


@dg.asset_check(asset="passages", name=CHECK, blocking=True)
def passages_are_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Texts, ids and places of the passages; sentences and lengths only of those that came with this delta."""
    from genret_ops.modeling.encoder import token_count
    from validations.runner import validate
    from validations.suites import passages

    store, settings = home.home.store, home.settings
    tables = tables_of(context, "passages")
    documents = store.read("documents", tables_of(context, "snapshot")["documents"])["doc_id"].to_pylist()
    frame = passages.frame(
        store.read("passages", tables["passages"]),
        store.read("occurrences", tables["occurrences"]),
        set(documents),
        token_count(settings.model.encoder),
        _measured(home, context.partition_key),
    )
    report = validate(frame, passages.suite(settings.corpus), passages.KEY, passages.figures(frame))
    return _check(context, home, "passages", report, NOT_COMMITTED)


def _measured(home: StageResource, delta: str) -> set[str]:
    """Ids of the passages of the snapshot before, if it was checked and cut under the same settings."""
    from genret_ops.ingestion.sources import cut_settings

    store = home.home.store
    before = store.before(delta)
    if before is None or not before.checked or before.cut != cut_settings(home.settings):
        return set()
    return set(store.read("passages", before.tables["passages"])["passage_id"].to_pylist())


@dg.asset_check(asset="synthetic_queries", name=CHECK, blocking=True)
def queries_are_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Texts, positives and splits of the synthetic queries, and how much of the corpus they teach."""
    import numpy as np
    import pyarrow.compute as pc

    from genret_ops.synthesis.queries import heldout_docids
    from validations.runner import validate
    from validations.suites import queries

    tables = tables_of(context, "synthetic_queries")
    head = home.head(context.partition_key)
    tuned, judged = heldout_docids(head, home.settings)
    heldout = tuned | judged
    taught = head.live & ~heldout & ~np.isin(np.arange(len(head)), list(home.known or ()))
    rows = home.home.store.read("queries", tables["queries"]).filter(pc.field("delta") == context.partition_key)
    frame = queries.frame(rows, head, heldout, taught)
    report = validate(frame, queries.suite(), queries.KEY, queries.figures(frame))
    return _check(context, home, "synthetic_queries", report, _NOT_TRAINED)


@dg.asset_check(asset="preference_pairs", name=CHECK, blocking=True)
def pairs_are_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Whether what is taught as wrong is wrong: no answer to the query, none of its documents, no near-duplicate."""
    import pyarrow.compute as pc

    from genret_ops.synthesis.queries import read_queries
    from genret_ops.training.families import similarity_of
    from validations.runner import validate
    from validations.suites import preferences

    delta, store = context.partition_key, home.home.store
    pairs = store.read("pairs", tables_of(context, "preference_pairs")["pairs"]).filter(pc.field("delta") == delta)
    queries = read_queries(store, delta, tables_of(context, "sft_adapter")["queries"], ("hard",))
    frame = preferences.frame(pairs, queries, home.head(delta), similarity_of(home.job(delta).folder))
    report = validate(frame, preferences.suite(), preferences.KEY, preferences.figures(frame))
    return _check(context, home, "preference_pairs", report, _NOT_PREFERRED)


@dg.asset_check(asset="fusion_weights", name=CHECK, blocking=True)
def evaluation_is_sound(context: dg.AssetCheckExecutionContext, home: StageResource) -> dg.AssetCheckResult:
    """Whether the questions that tune and judge were kept from training, and whether the scores are valid."""
    from genret_ops.synthesis.queries import heldout_docids, read_queries
    from validations.runner import validate
    from validations.suites import evaluation

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    tuned, judged = heldout_docids(head, job.settings)
    queries = read_queries(home.home.store, delta, tables_of(context, "sft_adapter")["queries"])
    reached = json.loads((job.folder / FUSION_WEIGHTS).read_text())
    frame = evaluation.frame(queries, head, tuned | judged, reached)
    report = validate(frame, evaluation.suite(), evaluation.KEY, evaluation.figures(frame, reached))
    return _check(context, home, "fusion_weights", report, _NOT_RELEASED)


def _check(
    context: dg.AssetCheckExecutionContext, home: StageResource, stage: str, report: SuiteResult, consequence: str
) -> dg.AssetCheckResult:
    return check_result(home.home.path, report, context.partition_key, version_of(context, stage), consequence)
