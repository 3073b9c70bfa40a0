"""Bad data stops its run before anything is built on it, in whatever run, and what answered goes on answering."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.lib import runner
from assets.lib.dagster_internals import DagsterAssetCheckFailedError
from assets.lib.execution import instance_of
from assets.lib.handover import CHECK
from genret_ops.corpus import chunking
from genret_ops.corpus.chunking import cut_document
from genret_ops.errors import DataRefused
from genret_ops.identifiers import docids
from genret_ops.ingestion import deduplication, sources
from genret_ops.records import Document, Occurrence, Passage, Quarantined, SyntheticQuery
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.summaries import data_checks
from genret_ops.synthesis.extractive import ExtractiveGenerator
from tests.support.stages import materialise

INGESTED = ("snapshot", "metadata", "passages", "docids")
ROTTEN = Document("rotten.md", "Rotten", " \n", {}, "rotten.md")


@pytest.fixture
def home(home_copy: Path, tmp_path: Path) -> Home:
    """The built home, with one more document to take in."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide. It never hurries.")
    return Home(home_copy)


def ingest(home: Home) -> runner.Ingested:
    return runner.ingest(home, [str(home.path.parent / "more")])


def as_before(home: Home) -> bool:
    """Whether the first build's release is the last one, on the only snapshot, and answers."""
    registry, retriever = Registry(home.path), open_release(home)[1]
    first = retriever.search("descale the espresso machine", 1).hits[0].doc_id
    numbers = [release.number for release in registry.releases()]
    return (home.store.snapshots(), numbers, registry.alias("champion"), first) == (
        ["delta-00000"],
        [0, 1],
        1,
        "coffee.md",
    )


def one_that_reads_a_rotten_document(monkeypatch: pytest.MonkeyPatch) -> None:
    plain: Callable[..., Iterator[Document | Quarantined]] = deduplication.quarantine_duplicates

    def broken(*arguments: object) -> Iterable[Document | Quarantined]:
        yield from plain(*arguments)
        yield ROTTEN

    monkeypatch.setattr(sources, "quarantine_duplicates", broken)


def one_that_loses_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(document: Document, *settings: object) -> list[tuple[Passage, Occurrence]]:
        pairs = cut_document(document, *settings)  # type: ignore[arg-type]
        return [(replace(passage, sentences=(*passage.sentences, "Never written.")), place) for passage, place in pairs]

    monkeypatch.setattr(chunking, "cut_document", broken)


def one_that_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(texts: list[str], *_: object, **__: object) -> list[str]:
        return [""] * len(texts)

    monkeypatch.setattr(docids, "keyword_labels", broken)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (one_that_reads_a_rotten_document, "every document has text: 1 of 64 rows fails, for example .* 'rotten.md'"),
        (
            one_that_loses_a_sentence,
            "every passage contains its sentences in order: 1 of 63 rows fails, for example .*'Never written.'",
        ),
        (one_that_names_nothing, "no label is empty: 1 of 63 rows fails, for example docid 62, label ''"),
    ],
    ids=["documents", "passages", "docids"],
)
def test_a_snapshot_that_fails_is_not_committed(
    home: Home, broken: Callable[[pytest.MonkeyPatch], None], message: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        with pytest.raises(DataRefused, match=f"(?s){message}.*Nothing was committed"):
            ingest(home)
        with pytest.raises((DataRefused, DagsterAssetCheckFailedError)):
            materialise(home, "delta-00001", "docids")
    refused = data_checks(home.path)
    assert (refused["delta"], refused["refused"]) == ("delta-00001", True)
    assert as_before(home)
    done = ingest(home)
    assert (done.delta, done.record.documents) == ("delta-00001", 63)
    assert open_release(home)[1].search("the ferry waits for high tide", 1).hits[0].doc_id == "tides.md"


def test_queries_that_fail_train_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(home)
    champion = Registry(home.path).alias("champion")
    plain = ExtractiveGenerator.epoch

    def epoch(
        self: ExtractiveGenerator, number: int, members: list[int], split: str, hard: bool = False
    ) -> list[SyntheticQuery]:
        rows = plain(self, number, members, split, hard)
        return [replace(row, constraints={"team": "Nobody"}) for row in rows]

    monkeypatch.setattr(ExtractiveGenerator, "epoch", epoch)
    message = "every constraint is true of a document with a positive: .* rows fail, .*no positive has 'team' 'Nobody'"
    with pytest.raises(DataRefused, match=f"(?s){message}.*Nothing was trained"):
        runner.build(home, home.settings)
    with pytest.raises(DataRefused, match="every constraint is true"):
        materialise(home, "delta-00001", "sft_adapter")
    assert not (home.work("delta-00001") / "job").exists()
    assert Registry(home.path).alias("champion") == champion
    assert open_release(home)[1].search("the ferry waits for high tide", 1).hits[0].doc_id == "tides.md"


def test_what_was_never_checked_is_not_built_on(home: Home) -> None:
    materialise(home, "delta-00001", "snapshot", "delta", "metadata", "passages")
    with pytest.raises(DataRefused, match="the data check of snapshot did not run on its newest version"):
        materialise(home, "delta-00001", "docids")
    assert as_before(home)


def checked(home: Path, stage: str) -> dg.AssetCheckEvaluation:
    """What the latest data check of a stage found."""
    with instance_of(Home(home).dagster) as instance:
        record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(stage), CHECK))
    assert record is not None and isinstance(record.evaluation, dg.AssetCheckEvaluation)
    return record.evaluation


def test_only_what_is_new_is_measured(home: Home) -> None:
    def rows() -> dict[object, object]:
        table = checked(home.path, "passages").metadata["expectations"]
        assert isinstance(table, dg.TableMetadataValue)
        return {record.data["expectation"]: record.data["rows"] for record in table.records}

    first = rows()
    ingest(home)
    tokens, text = "every passage has at most 256 tokens", "every passage has text"
    assert [first[tokens], first[text], rows()[tokens], rows()[text]] == [62, 62, 1, 63]


def test_a_warning_stops_nothing(small_home: Path) -> None:
    """Eight steps cannot ask for every passage: that is a warning, and the release is there."""
    check = checked(small_home, "synthetic_queries")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "training queries ask for every passage that is to be learned" in str(check.description)
    assert Registry(small_home).alias("champion") == 1
    assert Home(small_home).store.committed("delta-00000").checked == {stage: [] for stage in INGESTED}
