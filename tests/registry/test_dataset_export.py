"""The training set of a build is exported with its splits and a card, comes back, and overwrites nothing of others."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import withdraw
from genret_ops.errors import GenretError
from genret_ops.registry.dataset_export import LISTING, _without_path, export_dataset
from genret_ops.registry.home import Home
from genret_ops.retrieval.index import build_lexical
from genret_ops.synthesis.generated import GeneratedQueries
from genret_ops.synthesis.queries import heldout_docids, read_queries, written_queries
from genret_ops.synthesis.recorded import read_recorded

DELTA = "delta-00000"


@pytest.fixture(scope="module")
def exported(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "queries"
    export_dataset(Home(small_home), DELTA, folder)
    return folder


def stored(home: Home) -> list[str]:
    release = home.registry.release("champion")
    queries = read_queries(home.store, DELTA, release.manifest().training_tables["queries"])
    return [f"{query.split} {query.kind} {query.text} {query.positives}" for query in queries]


def test_every_query_of_the_build_is_there(small_home: Path, exported: Path) -> None:
    import datasets

    home = Home(small_home)
    rows = read_recorded(exported).rows
    assert [f"{query.split} {query.kind} {query.text} {query.positives}" for query in rows] == stored(home)
    head = CorpusView.load(home.store, home.store.committed(DELTA).tables)
    for split, group in datasets.load_from_disk(str(exported)).items():
        assert split in {"train", "hard", "tuning", "gate"}
        for row in group:
            texts = [head.passages[head.docid_of[positive]].text for positive in row["positive_ids"]]
            assert row["positive_texts"] == texts
            places = {
                doc_id for positive in row["positive_ids"] for doc_id in head.documents_of(head.docid_of[positive])
            }
            assert set(row["document_ids"]) == places


def test_held_out_queries_that_come_back_are_never_trained_on(small_home: Path, exported: Path) -> None:
    home = Home(small_home)
    head = CorpusView.load(home.store, home.store.committed(DELTA).tables)
    recorded, lexical = read_recorded(exported), build_lexical(head)
    same = written_queries(head, lexical, home.settings, recorded, GeneratedQueries())
    assert len(same.kept) + sum(each.count for each in same.refused) == len(recorded.rows)
    assert {query.kind for query in same.kept} >= {"chunk", "sentence", "constraint", "multihop", "context"}
    assert not [each for each in same.refused if "another split" in each.reason]
    other = home.settings.with_training(seed=7)
    tuning, gate = heldout_docids(head, other)
    for query in written_queries(head, lexical, other, recorded, GeneratedQueries()).kept:
        heldout = {bool((tuning | gate)[position]) for position in query.positions}
        assert heldout == {query.splits in (("tuning",), ("gate",))}


def test_a_path_of_the_machine_stays_at_home() -> None:
    local = "transformers:/srv/models/x:chunk@1:abcd1234:claim"
    assert _without_path(local) == "transformers:x:chunk@1:abcd1234:claim"
    for generator in ("extractive", "anthropic:name:chunk@1:abcd1234:claim", "transformers:org/x:chunk@1:ab:claim"):
        assert _without_path(generator) == generator


def test_the_card_says_what_it_is(small_home: Path, exported: Path) -> None:
    card, counts = (exported / "README.md").read_text(), Counter(line.split()[0] for line in stored(Home(small_home)))
    assert f"# Training queries of {DELTA}" in card and "| extractive | " in card and "| seed | 0 |" in card
    for split, count in counts.items():
        assert any(line.startswith(f"| {split} |") and line.endswith(f" {count:,} |") for line in card.splitlines()), (
            card
        )
    assert str(small_home) not in card and "encoder" not in card


def test_exporting_again_changes_nothing(small_home: Path, exported: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*")}
    again = export_dataset(Home(small_home), DELTA, exported)
    assert not again["written"] and again["release"] == "r1"
    assert {path: path.stat().st_mtime_ns for path in exported.rglob("*")} == before
    assert sum(sum(counts.values()) for counts in again["queries"].values()) == len(stored(Home(small_home)))
    assert [path.name for path in exported.parent.iterdir()] == [exported.name], "nothing is left beside it"


def test_what_no_export_wrote_is_left_alone(small_home: Path, exported: Path, tmp_path: Path) -> None:
    home, folder = Home(small_home), tmp_path / "taken"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(GenretError, match="holds something that no export wrote: choose another folder"):
        export_dataset(home, DELTA, folder)
    with pytest.raises(GenretError, match=r"notes\.txt is a file: choose a folder"):
        export_dataset(home, DELTA, folder / "notes.txt")
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(GenretError, match=r"notes\.txt is not as an export wrote it: move it away"):
        export_dataset(home, DELTA, copy)
    (copy / "notes.txt").unlink()
    (copy / "README.md").write_text("my card")
    with pytest.raises(GenretError, match=r"README\.md is not as an export wrote it"):
        export_dataset(home, DELTA, copy)
    assert (copy / "README.md").read_text() == "my card"


def test_an_export_that_lacks_a_file_or_is_of_something_else_is_replaced(
    small_home: Path, exported: Path, home_copy: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    (copy / "train" / "state.json").unlink()
    assert export_dataset(Home(small_home), DELTA, copy)["written"]
    (tmp_path / "empty").mkdir()
    assert export_dataset(Home(small_home), DELTA, tmp_path / "empty")["written"]
    withdraw(home_copy, "bees.md")
    shorter = export_dataset(Home(home_copy), DELTA, copy)
    assert shorter["written"] and shorter["withdrawn"] > 0
    rows = read_recorded(copy).rows
    assert len(rows) == len(stored(Home(small_home))) - shorter["withdrawn"]
    shown = "".join(path.read_bytes().decode("utf-8", "replace") for path in copy.rglob("*") if path.is_file())
    assert "bees.md" not in shown and "calms the bees" not in shown
    assert f"withdrawn: {shorter['withdrawn']} of the build's queries." in (copy / "README.md").read_text()
    assert (copy / LISTING).exists()


def test_a_delta_without_a_build_says_which_have_one(small_home: Path, ingested_home: Path, tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"no build was made on 'delta-00007', .* builds were made on delta-00000"):
        export_dataset(Home(small_home), "delta-00007", tmp_path / "out")
    with pytest.raises(GenretError, match=r"no build was made on 'delta-00000', .* run `genret build` first"):
        export_dataset(Home(ingested_home), DELTA, tmp_path / "out")
    assert not (tmp_path / "out").exists()
