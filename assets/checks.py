"""The data checks: what was written is looked at before anything is built on it.

A check that fails stops its run, and `require_checked` (home.py) any later one.
"""

import dagster as dg

from assets.home import CHECK, TABLES, HomeResource, tables_of
from validations.checks import check_result

_NOT_COMMITTED = (
    "Nothing was committed, and what answers stays as it is: correct the sources, and `genret ingest` again"
)
_NOT_TRAINED = "Nothing was trained, and what answers stays as it is"


@dg.asset_check(asset="snapshot", name=CHECK, blocking=True)
def documents_are_sound(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """Ids, titles, texts and metadata of the documents."""
    from validations import documents
    from validations.run import validate

    tables = tables_of(context, "snapshot")
    rows = home.home.store.read("documents", tables["documents"])
    return check_result(validate(documents.frame(rows), documents.suite(), documents.KEY), tables, _NOT_COMMITTED)


@dg.asset_check(asset="passages", name=CHECK, blocking=True)
def passages_are_sound(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """Texts, sentences, lengths and places of the passages; lengths only of those that came with this delta."""
    from genret_ops.modeling.encoder import token_offsets
    from validations import passages
    from validations.run import validate

    store, settings = home.home.store, home.settings
    tables = tables_of(context, "passages")
    documents = store.read("documents", tables_of(context, "snapshot")["documents"])["doc_id"].to_pylist()
    offsets = token_offsets(settings.model.encoder)
    frame = passages.frame(
        store.read("passages", tables["passages"]),
        store.read("occurrences", tables["occurrences"]),
        set(documents),
        lambda text: len(offsets(text)),
        _measured(home, context.partition_key),
    )
    findings = validate(frame, passages.suite(settings.corpus), passages.KEY)
    return check_result(findings, tables, _NOT_COMMITTED)


def _measured(home: HomeResource, delta: str) -> set[str]:
    """Ids of the passages of the snapshot before, if it was checked and cut under the same settings."""
    from genret_ops.corpus.sources import cut_of

    store = home.home.store
    before = [store.committed(name) for name in store.snapshots() if name < delta][-1:]
    known = [record[TABLES] for record in before if "checked" in record and record["cut"] == cut_of(home.settings)]
    return {one for tables in known for one in store.read("passages", tables["passages"])["passage_id"].to_pylist()}


@dg.asset_check(asset="synthetic_queries", name=CHECK, blocking=True)
def queries_are_sound(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """Texts, positives and splits of the synthetic queries, and what of the corpus they teach."""
    import numpy as np
    import pyarrow.compute as pc

    from genret_ops.synthesis.queries import heldout_docids
    from validations import queries
    from validations.run import validate

    tables = tables_of(context, "synthetic_queries")
    head = home.head(context.partition_key)
    tuned, judged = heldout_docids(head, home.settings)
    heldout = tuned | judged
    taught = head.live & ~heldout & ~np.isin(np.arange(len(head)), list(home.known or ()))
    rows = home.home.store.read("queries", tables["queries"]).filter(pc.field("delta") == context.partition_key)
    findings = validate(queries.frame(rows, head, heldout, taught), queries.suite(), queries.KEY)
    return check_result(findings, tables, _NOT_TRAINED)
