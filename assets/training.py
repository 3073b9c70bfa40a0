"""The stages that teach: genesis rows, synthetic queries, SFT, preference pairs, RPO.

Training itself runs in a process of its own; a stage that was killed goes on from its last checkpoint.
"""

import shutil
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.corpus import docids
from assets.lib.handover import TABLES, require_checked, table_links, table_version, tables_of
from assets.lib.metadata_views import loss_curve, table
from assets.lib.resources import Prefetch, StageResource
from assets.lib.training_stage import run_stage
from assets.partitions import deltas
from genret_ops.progress import progress

if TYPE_CHECKING:
    import numpy as np

    from genret_ops.identifiers.codes import Codebooks
    from genret_ops.training.job import JobFolder

_SHOWN, _FAILURES = 10, 200


@dg.asset(partitions_def=deltas, group_name="training", code_version="1", deps=[docids], kinds={"numpy"})
def genesis_rows(
    context: dg.AssetExecutionContext, home: StageResource, prefetch: dg.ResourceParam[Prefetch]
) -> dg.MaterializeResult[None]:
    """Frozen encodings of every passage's body and sentences; each text is encoded once ever."""
    from genret_ops.storage.files import file_hash
    from genret_ops.training import dataset

    delta, prefetched = context.partition_key, prefetch.wait()
    with progress("encoding sentences") as report:
        rows, encoded = dataset.genesis_rows(home.home.path, home.head(delta), home.settings, progress=report)
    folder = home.home.work(delta) / "genesis"
    folder.mkdir(parents=True, exist_ok=True)
    rows.save(folder)
    return dg.MaterializeResult(
        metadata={
            "files": dg.MetadataValue.path(folder),
            "docids": len(rows),
            "rows": len(rows.vectors),
            "texts encoded": prefetched + encoded,
            "megabytes": round(rows.vectors.nbytes / 1e6, 1),
        },
        data_version=dg.DataVersion(file_hash(folder / "rows.npy")[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="training", code_version="1", deps=[docids], kinds={"sqlite"})
def generated_queries(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """What a language model writes about the passages that this build is to teach; nothing is paid for twice.

    Answers stay in the home (`generated.db`), whatever becomes of the build. Without a language model in the settings
    nothing is written.
    """
    from genret_ops.corpus.erased import Erasure
    from genret_ops.retrieval.index_cache import open_or_make_index
    from genret_ops.synthesis.generation_stage import write_with_language_model
    from genret_ops.synthesis.queries import lexical_neighbours

    settings = home.settings.model_copy(update={"generation": home.home.settings.generation})
    if not settings.synthesis.language_model:
        skipped = "No language model is named in synthesis.language_model, so queries come from the text alone."
        return dg.MaterializeResult(metadata={"skipped": skipped}, data_version=dg.DataVersion("none"))
    if Erasure.under_way(home.home.path):
        skipped = "A document is being erased, so nothing is asked or paid for: the next build asks what is missing."
        return dg.MaterializeResult(metadata={"skipped": skipped}, data_version=dg.DataVersion("none"))
    index = open_or_make_index(home.home, home.home.store.committed(context.partition_key), settings.retrieval)
    with progress("finding lexical neighbours") as report:
        near = lexical_neighbours(index.head, index.lexical, report)
    written = write_with_language_model(home.home.path, index.head, near, settings, home.known)
    account, generated = written.account, written.generated
    return dg.MaterializeResult(
        metadata={
            "language model": settings.synthesis.language_model,
            "requests": generated.tasks,
            "answered": generated.answered,
            "answered by this build": generated.new,
            "without an answer": table(("reason", "requests"), list(generated.reasons.items())),
            "passages without an answer": table(("passage", "asked for", "reason"), written.failures[:_FAILURES]),
            "dollars spent by this home": round(account.spent, 4),
            "dollars that may have been spent besides": round(account.uncertain, 4),
            "tokens read": account.input_tokens,
            "tokens written": account.output_tokens,
        },
        data_version=dg.DataVersion(written.hash),
    )


@dg.asset(
    partitions_def=deltas,
    group_name="training",
    code_version="1",
    deps=[docids, generated_queries],
    kinds={"lancedb"},
)
def synthetic_queries(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Queries about the corpus: to train on, to mine hard negatives with, and held out for tuning.

    They are made from the text itself; `synthesis.recorded` adds those that others wrote, and `generated_queries` those
    of a language model. What was written passes filters first.
    """
    import numpy as np

    from genret_ops.records import to_arrow
    from genret_ops.retrieval.index_cache import open_or_make_index
    from genret_ops.synthesis.filters import EXAMPLES
    from genret_ops.synthesis.generated import read_generated
    from genret_ops.synthesis.queries import lexical_neighbours, source_passages, write_queries, written_queries
    from genret_ops.synthesis.recorded import RecordedQueries, read_recorded

    delta, settings = context.partition_key, home.settings
    index = open_or_make_index(home.home, home.home.store.committed(delta), settings.retrieval)
    with progress("finding lexical neighbours") as report:
        near = lexical_neighbours(index.head, index.lexical, report)
    passages, recorded = source_passages(index.head, near, settings.retrieval), RecordedQueries()
    if settings.synthesis.recorded:
        recorded = read_recorded(home.home.path / settings.synthesis.recorded)
    generated = read_generated(home.home.path, passages, settings.synthesis)
    with progress("filtering written queries", "queries") as report:
        written = written_queries(index.head, index.lexical, settings, recorded, generated, report)
    queries = write_queries(index.head, near, settings, home.known, written.kept)
    home.home.work(delta).mkdir(parents=True, exist_ok=True)
    np.save(home.home.work(delta) / "neighbours.npy", near)
    rows = to_arrow("queries", queries, delta=delta)
    tables = {"queries": home.home.store.replace("queries", rows)}
    counts = Counter((query.split, query.kind) for query in queries)
    samples = [(query.split, query.kind, query.text) for query in queries[:_SHOWN]]
    return dg.MaterializeResult(
        metadata={
            TABLES: tables,
            **table_links(home, tables),
            "queries": len(queries),
            "seed": settings.training.seed,
            "by kind": table(("split", "kind", "queries"), [(*key, n) for key, n in sorted(counts.items())]),
            "samples": table(("split", "kind", "text"), samples),
            "written queries kept": len(written.kept),
            "mean weight": float(np.mean([query.weight for query in written.kept])) if written.kept else 1.0,
            "queries left out": table(
                ("generator", "reason", "queries", *(f"example {n}" for n in range(1, EXAMPLES + 1))),
                [
                    (each.generator, each.reason, each.count, *each.examples, *[""] * (EXAMPLES - len(each.examples)))
                    for each in written.refused
                ],
            ),
        },
        data_version=table_version(tables),
    )


@dg.asset(
    partitions_def=deltas, group_name="training", code_version="1", deps=[docids, genesis_rows, generated_queries]
)
def identifiers(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """What a causal language model is to write for each passage: its keywords or codes, made unique, as tokens.

    An update keeps the identifiers of the release that it grows from, and adds some for new passages. Other
    families, whose docids are numbers, have none.
    """
    import numpy as np

    from genret_ops.modeling.embeddings import Rows
    from genret_ops.retrieval.artifacts import read_identifiers
    from genret_ops.storage.language_models import load_tokenizer
    from genret_ops.synthesis.generated import read_keywords
    from genret_ops.synthesis.queries import source_passages
    from genret_ops.training.causal.identifiers import code_identifiers, identifiers_of, keyword_identifiers

    delta, settings = context.partition_key, home.settings
    if settings.family != "causal":
        skipped = "No language model is named in causal.model, so a docid is a number, and is written in one step."
        return dg.MaterializeResult(metadata={"skipped": skipped}, data_version=dg.DataVersion("none"))
    head = home.head(delta)
    without_neighbours = np.empty((len(head), 0), dtype=np.int64)
    passages = source_passages(head, without_neighbours, settings.retrieval)
    listed = read_keywords(home.home.path, passages, settings.synthesis)
    existing = read_identifiers(home.parent_folder) if home.parent_folder else None
    if settings.causal.identifiers == "codes":
        vectors = Rows.load(home.home.work(delta) / "genesis").bodies()
        make = code_identifiers(_codebooks(home, delta, vectors[head.live]), lambda docids: vectors[docids])
    else:
        make = keyword_identifiers(load_tokenizer(settings.causal.model), listed)
    rows = identifiers_of(head, delta, make, existing)
    tables = {"identifiers": home.home.store.replace("identifiers", rows)}
    samples = [(row["docid"], row["identifier"], len(row["tokens"])) for row in rows.slice(0, _SHOWN).to_pylist()]
    return dg.MaterializeResult(
        metadata={
            TABLES: tables,
            **table_links(home, tables),
            "language model": settings.causal.model,
            "identifiers": rows.num_rows,
            "new": rows["delta"].to_pylist().count(delta),
            "made of": settings.causal.identifiers,
            "by a language model": len(listed),
            "samples": table(("docid", "identifier", "tokens"), samples),
        },
        data_version=table_version(tables),
    )


def _codebooks(home: StageResource, delta: str, vectors: "np.ndarray") -> "Codebooks":
    """The codebooks of the release that a training grows from, or new ones, in the work folder of the delta.

    Args:
        home: the home, and what the run was started with.
        delta: the delta.
        vectors: the encodings that new codebooks are fitted on, shape (passages, dimension).
    """
    from genret_ops.identifiers.codes import CODEBOOKS, Codebooks
    from genret_ops.retrieval.artifacts import WRITER
    from genret_ops.storage.language_models import vocabulary_of

    path, causal = home.home.work(delta) / CODEBOOKS, home.settings.causal
    if home.parent_folder:
        shutil.copyfile(home.parent_folder / WRITER / CODEBOOKS, path)
    else:
        first, seed = vocabulary_of(causal.model), home.settings.training.seed
        fitted = Codebooks.fit(
            vectors, levels=causal.code_levels, clusters=causal.code_clusters, first_token=first, seed=seed
        )
        fitted.save(path)
    return Codebooks.load(path)


@dg.asset(
    partitions_def=deltas,
    group_name="training",
    code_version="1",
    deps=[genesis_rows, synthetic_queries, identifiers],
    kinds={"pytorch"},
)
def sft_adapter(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Stage 1: the model learns to write docids, on Context2ID and Query2ID interleaved."""
    delta = context.partition_key
    require_checked(context, "synthetic_queries")
    tables = tables_of(context, "synthetic_queries") | tables_of(context, "identifiers")
    run_stage(context, "sft", _prepared(home, delta, tables).folder)
    return _trained(home, delta, "sft", tables)


def _prepared(home: StageResource, delta: str, tables: Mapping[str, int]) -> "JobFolder":
    """The training job of a delta, filled with what the stages before it left.

    Args:
        home: the home, and what the run was started with.
        delta: the delta.
        tables: versions of the tables of queries and, in the causal family, of identifiers.
    """
    import numpy as np

    from genret_ops.identifiers.codes import CODEBOOKS
    from genret_ops.modeling.embeddings import Rows
    from genret_ops.retrieval.artifacts import WRITER
    from genret_ops.synthesis.queries import membership, read_queries
    from genret_ops.training.causal.dataset import prepare_causal_job
    from genret_ops.training.causal.identifiers import memorised_texts
    from genret_ops.training.dataset import passage_inputs, prepare_job

    head, work, settings = home.head(delta), home.home.work(delta), home.settings
    folder, parent = home.job(delta).folder, home.parent_folder
    queries = read_queries(home.home.store, delta, tables["queries"])
    if settings.family != "causal":
        rows, near = Rows.load(work / "genesis"), np.load(work / "neighbours.npy")
        passages = [item.whole for item in passage_inputs(head)] if settings.family == "dense" else ()
        return prepare_job(folder, settings, rows, queries, head.docid_of, near, membership(head), parent, passages)
    names = home.home.store.read("identifiers", tables["identifiers"])
    return prepare_causal_job(
        folder,
        settings,
        memorised_texts(head, queries),
        names,
        queries,
        head.docid_of,
        membership(head),
        parent / WRITER if parent else None,
        home.known or (),
        work / CODEBOOKS if settings.causal.identifiers == "codes" else None,
    )


@dg.asset(partitions_def=deltas, group_name="training", code_version="1", deps=[sft_adapter], kinds={"lancedb"})
def preference_pairs(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Hard negatives: wrong passages that the SFT model ranks above the right one, as preference pairs."""
    from genret_ops.records import PreferencePair, to_arrow

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    run_stage(context, "negatives", job.folder)
    pairs = [
        PreferencePair(
            row["query"],
            head.passages[row["chosen"]].passage_id,
            head.passages[row["rejected"]].passage_id,
            row["rank"],
        )
        for row in job.table("pairs").to_pylist()
    ]
    rows = to_arrow("pairs", pairs, delta=delta)
    tables = {"pairs": home.home.store.replace("pairs", rows)}
    texts = {passage.passage_id: passage.text for passage in head.passages}
    samples = [(pair.query, texts[pair.chosen], texts[pair.rejected]) for pair in pairs[:_SHOWN]]
    return dg.MaterializeResult(
        metadata={
            TABLES: tables,
            **table_links(home, tables),
            "queries": job.table("hard").num_rows,
            "pairs": len(pairs),
            "queries with a wrong passage first": len({pair.query for pair in pairs}),
            "samples": table(("query", "chosen", "rejected"), samples),
        },
        data_version=table_version(tables),
    )


@dg.asset(partitions_def=deltas, group_name="training", code_version="1", deps=[preference_pairs], kinds={"pytorch"})
def rpo_adapter(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Stage 2: preference optimisation on the pairs, with a likelihood term that keeps what stage 1 learned."""
    require_checked(context, "preference_pairs")
    run_stage(context, "rpo", home.job(context.partition_key).folder)
    return _trained(home, context.partition_key, "rpo", tables_of(context, "preference_pairs"))


def _trained(home: StageResource, delta: str, stage: str, tables: Mapping[str, int]) -> dg.MaterializeResult[None]:
    """What a stage learned, and the `tables` that it learned from."""
    from genret_ops.storage.files import file_hash

    job = home.job(delta)
    losses = job.losses(stage)
    numbers: dict[str, Any] = {"first loss": losses[0][1], "last loss": losses[-1][1]} if losses else {}
    return dg.MaterializeResult(
        metadata={
            TABLES: dict(tables),
            "files": dg.MetadataValue.path(job.folder / stage),
            "steps": len(losses),
            **numbers,
            "seed": job.settings.training.seed,
            "settings": job.settings.hash(),
            "loss": loss_curve(losses),
        },
        data_version=dg.DataVersion(file_hash(job.folder / stage / "adapter" / "adapter_model.safetensors")[:32]),
    )
