"""The fast path: what an ingest finds is searchable at once, what it misses is gone at once, and nothing is trained."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.lib import runner
from genret_ops.corpus.visibility import VisibilityReader, withdraw
from genret_ops.errors import BrokenRelease
from genret_ops.maintenance.backup import backup, restore
from genret_ops.modeling.docid_head import finished_rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.registry.ancestry import rollback_target
from genret_ops.registry.home import Home
from genret_ops.registry.loading import model_on, open_release
from genret_ops.registry.store import Registry
from genret_ops.retrieval.retriever import Retriever
from tests.support.places import on_disk, searchable, unreached
from tests.support.releases import another
from tests.support.searching import MODES, everything, opened


def test_what_is_new_is_found_and_what_left_is_not(home_copy: Path, folder: Path) -> None:
    before = Registry(home_copy).release("champion")
    (folder / "tides.md").write_text(
        "# The harbour\n\nThe ferry waits for high tide before it leaves for the lighthouse."
    )
    (folder / "bees.md").unlink()
    (folder / "coffee.md").rename(folder / "espresso.md")
    (folder / "fire.md").write_text("---\nteam: Red Team\n---\n# When the alarm rings\n\nUse the ladder of the tower.")
    ingested = runner.ingest(Home(home_copy))
    assert ingested.release is not None and ingested.release.number > before.number
    retriever = opened(home_copy)
    for mode in MODES:
        (first, *_) = retriever.search("when does the ferry leave for the lighthouse", 3, mode).hits
        assert (first.doc_id, first.state) == ("tides.md", "fresh"), mode
        (first, *_) = retriever.search("descale the espresso machine with citric acid", 3, mode).hits
        assert (first.doc_id, first.state) == ("espresso.md", "learned"), mode
        hits = retriever.search("smoke calms the bees, the oak tree", 10_000, mode).hits
        assert not {"bees.md", "coffee.md"} & {hit.doc_id for hit in hits}, mode
        assert not any("oak tree" in hit.text for hit in hits), mode
    assert opened(home_copy, ingested.release.number).search("ladder of the tower", 1).hits[0].doc_id == "fire.md"


@pytest.mark.parametrize("how", ["cut off", "another name in it", "no such version", "not there"])
def test_words_of_the_snapshot_before_that_are_damaged_are_taken_apart_again(
    home_copy: Path, folder: Path, how: str
) -> None:
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    before = runner.ingest(Home(home_copy)).record
    cached = Home(home_copy).head(before) / "changed.npz"
    written = cached.read_bytes()
    damaged = {
        "cut off": written[:-9],
        "another name in it": written.replace(b"words.npy", b"wards.npy"),
        "no such version": re.sub(rb"(?s)(PK\x01\x02..).", lambda header: header[1] + b"\xff", written),
        "not there": None,
    }[how]
    assert damaged != written
    cached.unlink() if damaged is None else cached.write_bytes(damaged)
    (folder / "crane.md").write_text("# The crane\n\nA crane lifts the containers.")
    after = runner.ingest(Home(home_copy)).record
    assert after.statistics == before.statistics != before.snapshot, "they share word statistics"
    for query, doc_id in (("high tide", "tides.md"), ("lifts containers", "crane.md"), ("oak tree", "fire.md")):
        assert opened(home_copy).search(query, 1, "lexical").hits[0].doc_id == doc_id


def test_a_model_on_an_earlier_head_has_rows_for_what_has_left_since(home_copy: Path, folder: Path) -> None:
    """The gate compares models on one head, where what the champion no longer holds is still to be found."""
    home = Home(home_copy)
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    with_it = runner.ingest(home).release
    (folder / "tides.md").unlink()
    (folder / "crane.md").write_text("# The crane\n\nA crane lifts the containers.")
    without = runner.ingest(home).release
    assert with_it is not None and without is not None
    index = open_release(home, with_it.number)[1].index
    model = model_on(home.path, without, index.head)
    hits = Retriever(index, model).search("the ferry waits for high tide", 1, "generative").hits
    assert hits[0].doc_id == "tides.md"
    np.testing.assert_array_equal(model.scorer.rows.vectors, finished_rows(with_it.folder).vectors)


def test_a_document_that_left_is_in_no_release_however_it_is_opened(home_copy: Path, folder: Path) -> None:
    already_open = opened(home_copy, 1)
    assert "bees.md" in everything(already_open)
    (folder / "bees.md").unlink()
    runner.ingest(Home(home_copy))
    for retriever in (already_open, *(opened(home_copy, r.number) for r in Registry(home_copy).releases())):
        for mode in MODES:
            hits = retriever.search("smoke calms the bees before the honey is harvested", 10_000, mode).hits
            assert "bees.md" not in {hit.doc_id for hit in hits}
    (folder / "bees.md").write_text("# Bees\n\nSmoke calms the bees before the honey is harvested in July.")
    runner.ingest(Home(home_copy))
    assert opened(home_copy).search("smoke calms the bees", 1).hits[0].doc_id == "bees.md"


def test_what_an_edit_took_out_is_in_no_release(home_copy: Path, folder: Path) -> None:
    (folder / "fire.md").write_text("---\nteam: Red Team\n---\n# When the alarm rings\n\nUse the ladder of the tower.")
    runner.ingest(Home(home_copy))
    for release in Registry(home_copy).releases():
        for mode in MODES:
            hits = opened(home_copy, release.number).search("meet at the old oak tree", 10_000, mode).hits
            assert not any("oak tree" in hit.text for hit in hits)


def test_what_came_and_left_before_it_was_learned_harms_no_search(home_copy: Path, folder: Path) -> None:
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    runner.ingest(Home(home_copy))
    (folder / "tides.md").unlink()
    runner.ingest(Home(home_copy))
    for mode in MODES:
        assert "tides.md" not in everything(opened(home_copy), mode)
    assert "coffee.md" in everything(opened(home_copy))
    assert not runner.build(Home(home_copy), Home(home_copy).settings).new, "nothing that is live is to be learned"


def test_a_document_withdrawn_by_hand_is_gone_from_an_open_retriever(home_copy: Path) -> None:
    retriever = opened(home_copy)
    assert "parking.md" in everything(retriever)
    withdraw(home_copy, "parking.md")
    for mode in MODES:
        assert "parking.md" not in everything(retriever, mode)
    assert "parking.md" not in {doc_id for doc_id, _ in VisibilityReader(home_copy)()}
    team = retriever.search("where do visitors park", 10_000, "dense", {"team": "Blue Team"}).hits
    assert {hit.doc_id for hit in team} == {"holiday.md"}


DOCUMENTS = ("parking.md", "fire.md", "holiday.md")
STEPS = st.lists(
    st.sampled_from(["withdraw", "rollback", "promote r1", "promote r2", "ingest", "backup"]), min_size=2, max_size=6
)


def stays_away(steps: list[str], built: Path, folder: Path) -> None:
    """Take the steps; after each, with everything opened anew, no mode of any release returns what was withdrawn."""
    home, gone = Home(Path(shutil.copytree(built, folder / "home"))), set[str]()
    Registry(home.path).promote(another(home, 1, 1), "test", "a model more")
    (folder / "more").mkdir()
    for number, step in enumerate(["withdraw", *steps]):
        registry = Registry(home.path)
        if step == "withdraw" and len(gone) < len(DOCUMENTS):
            gone.add(DOCUMENTS[len(gone)])
            withdraw(home.path, DOCUMENTS[len(gone) - 1])
        elif step == "rollback" and rollback_target(registry) is not None:
            runner.rollback(home, "a test")
        elif step.startswith("promote"):
            runner.promote(home, step.removeprefix("promote "), "a test")
        elif step == "ingest":  # the sources go on holding what was withdrawn
            (folder / "more" / f"note-{number}.md").write_text(
                f"# Note {number}\n\nFerry {number} waits for high tide."
            )
            runner.ingest(home, [str(folder / "more")])
        elif step == "backup":
            backup(home, folder / f"{number}.tar")
            restore(folder / f"{number}.tar", folder / f"home-{number}")
            home = Home(folder / f"home-{number}")
        for release in Registry(home.path).releases():
            retriever = opened(home.path, release.number)
            for mode in MODES:
                query = "where do visitors park, who meets at the oak tree, is vacation requested, how to descale"
                doc_ids = {hit.doc_id for hit in retriever.search(query, 10_000, mode).hits}
                assert not gone & doc_ids and "coffee.md" in doc_ids, (step, release.number, mode)


@settings(max_examples=2, deadline=None)
@given(steps=STEPS)
@example(steps=["rollback", "promote r2", "ingest", "rollback", "backup"])
def test_what_was_withdrawn_stays_away_whatever_happens(
    steps: list[str], small_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stays_away(steps, small_home, tmp_path_factory.mktemp("away"))


@pytest.mark.soak
@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_what_was_withdrawn_stays_away_in_the_long_run(
    steps: list[str], small_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stays_away(steps, small_home, tmp_path_factory.mktemp("away"))


def test_a_damaged_champion_is_no_base_of_a_patch(home_copy: Path, folder: Path) -> None:
    champion = Registry(home_copy).release("champion")
    rows = champion.folder / "rows.npy"
    whole = rows.read_bytes()
    rows.chmod(0o644)
    rows.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    with pytest.raises(BrokenRelease, match=rf"files of r{champion.number} are not those that were sealed"):
        runner.ingest(Home(home_copy))
    assert Registry(home_copy).releases()[-1].number == champion.number
    rows.write_bytes(whole)
    patched = runner.ingest(Home(home_copy)).release
    assert patched is not None and patched.model == champion.model
    assert opened(home_copy).search("when does the ferry leave", 1).hits[0].doc_id == "tides.md"


def test_what_was_learned_stays_byte_for_byte(home_copy: Path, folder: Path) -> None:
    first = Registry(home_copy).release(1)
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    patch = runner.ingest(Home(home_copy)).release
    assert patch is not None
    learned, now = finished_rows(first.folder), finished_rows(patch.folder)
    np.testing.assert_array_equal(now.vectors[: len(learned.vectors)], learned.vectors)
    assert len(now) == len(learned) + 1
    shared = [(release.folder / "rows.npy").stat().st_ino for release in (first, patch)]
    assert shared[0] == shared[1], "shared, not copied"


def test_nothing_is_encoded_twice(home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = list[str]()
    plain = Encoder.encode

    def counted(self: Encoder, texts: list[str], *stop: Callable[[], bool]) -> np.ndarray:
        encoded.extend(texts)
        return plain(self, texts, *stop)

    monkeypatch.setattr(Encoder, "encode", counted)
    (folder / "coffee.md").rename(folder / "espresso.md")
    runner.ingest(Home(home_copy))
    assert encoded == []
    (folder / "new.txt").write_text("A sentence that was never seen. The barrier opens at six.")
    runner.ingest(Home(home_copy))
    query = "A sentence that was never seen."  # the longest of its passage, with which the light gate asks for it
    sentences = ["A sentence that was never seen.", "The barrier opens at six."]
    assert sorted(encoded) == sorted(["new\n" + " ".join(sentences), *sentences, query])


def test_nothing_new_is_a_no_op(home_copy: Path, folder: Path) -> None:
    numbers = [release.number for release in Registry(home_copy).releases()]
    again = runner.ingest(Home(home_copy))
    assert again.delta is None
    assert again.release is not None and again.release.number == numbers[-1]
    assert [release.number for release in Registry(home_copy).releases()] == numbers


def steps(rng: random.Random, folder: Path, count: int) -> Iterator[None]:
    """Random changes of a folder, one by one."""
    for number in range(count):
        files = sorted(path for path in folder.glob("*.txt") if "-" in path.name)
        kind, path = rng.choice(("add", "edit", "delete", "rename", "undo")), rng.choice(files)
        if kind == "add":
            (folder / f"added-{number}.txt").write_text(f"Report {number} of the harbour on {rng.random()} boats.")
        elif kind == "edit":
            path.write_text(path.read_text() + f" Since then {rng.random()} people came.")
        elif kind == "delete":
            path.unlink()
        elif kind == "rename":
            path.rename(folder / f"moved-{number}.txt")
        elif (old := folder / "undone-x.txt").exists():
            old.unlink()
        else:
            old.write_text("What was taken back and written again, word for word.")
        yield


@pytest.mark.parametrize("count", [3, pytest.param(25, marks=pytest.mark.soak)])
def test_what_can_be_found_is_what_lies_in_the_folder(home_copy: Path, folder: Path, count: int) -> None:
    for _ in steps(random.Random(count), folder, count):
        runner.ingest(Home(home_copy))
        assert searchable(home_copy) == on_disk(folder, home_copy) and unreached(home_copy) == []
