"""What a watcher finds in the sources by listing them: what has changed, what is still written, and when it is due."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.file_watcher import ListedFile, Watch, scan
from tests.support.homes import committed

SETTLE = 5.0


def settled(path: Path, text: str, age: float = 60.0) -> None:
    """A file that was written a minute ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - age
    os.utime(path, (moment, moment))


def looked(watch: Watch, *sources: Path | str, home: Path, now: float | None = None) -> Watch:
    return scan(watch, home, [str(source) for source in sources], SETTLE, 60, now or time.time())


def taken(*sources: Path | str, home: Path) -> Watch:
    return looked(Watch(), *sources, home=home).after_update()


def test_adding_editing_removing_and_renaming_are_changes_and_nothing_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    for name in ("a.txt", "b.txt", "below/c.txt"):
        settled(folder / name, name)
    watch = looked(Watch(), folder, home=tmp_path)
    assert str(watch.changes) == "3 added" and watch.reason_to_wait(SETTLE, time.time()) is None
    watch = looked(watch.after_update(), folder, home=tmp_path)
    assert watch.reason_to_wait(SETTLE, time.time()) == "nothing has changed"
    settled(folder / "a.txt", "another text")
    (folder / "b.txt").unlink()
    (folder / "below" / "c.txt").rename(folder / "d.txt")
    assert str(looked(watch, folder, home=tmp_path).changes) == "1 added, 1 changed, 2 removed"


def test_hidden_files_are_none_and_the_inbox_is_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    settled(folder / "a.txt", "one")
    watch = taken(folder, home=tmp_path)
    settled(folder / ".a.txt.swp", "an editor's")
    assert not looked(watch, folder, home=tmp_path).changes
    settled(tmp_path / "inbox" / "posted.json", "{}")
    assert looked(watch, folder, home=tmp_path).changes.added == 1


def test_what_is_still_written_waits_and_counts_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    settled(folder / "a.txt", "one")
    watch = taken(folder, home=tmp_path)
    settled(folder / "a.txt", "half a sen", age=1)
    settled(folder / "b.txt", "half of ano", age=1)
    watch = looked(watch, folder, home=tmp_path)
    assert not watch.changes and watch.still_written == 2
    assert watch.reason_to_wait(SETTLE, time.time()) == "2 files are still being written"
    watch = looked(watch, folder, home=tmp_path, now=time.time() + SETTLE)
    assert str(watch.changes) == "1 added, 1 changed" and watch.reason_to_wait(SETTLE, time.time()) is None


def test_a_file_that_was_written_just_after_the_look_at_the_clock_is_still_written(tmp_path: Path) -> None:
    settled(tmp_path / "docs" / "a.txt", "one", age=-0.5)
    watch = looked(Watch(), tmp_path / "docs", home=tmp_path)
    assert (watch.still_written, len(watch.listed)) == (1, 0)


def test_a_file_from_the_future_is_at_rest(tmp_path: Path) -> None:
    settled(tmp_path / "docs" / "a.txt", "one", age=-1e6)
    assert looked(Watch(), tmp_path / "docs", home=tmp_path).changes.added == 1


def test_a_burst_waits_for_its_last_file_but_not_for_ever() -> None:
    now = 1000.0
    watch = Watch(changed_since=now).after_listing([ListedFile("a", "1", None), ListedFile("b", "1", now)], SETTLE, now)
    assert watch.reason_to_wait(SETTLE, now + 1) == "1 added; 1 file is still being written"
    assert watch.reason_to_wait(SETTLE, now + 3 * SETTLE) is None


def test_a_feed_that_never_rests_is_read_now_and_then(tmp_path: Path) -> None:
    feed, now = tmp_path / "feed.jsonl", time.time()
    settled(feed, "{}\n")
    watch = taken(feed, home=tmp_path)
    for minute in range(10):
        moment = now + minute * 60
        feed.write_text("{}\n" * (minute + 2))
        os.utime(feed, (moment, moment))
        watch = looked(watch, feed, home=tmp_path, now=moment + 1)
        assert watch.still_written == (minute % 2 == 0), "read at every other look"
        watch = watch.after_update()


def test_a_look_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    for number in range(12):
        settled(folder / f"part-{number}" / "a.txt", "one")
    watch, looks = scan(Watch(), tmp_path, [str(folder)], SETTLE, 0.0, time.time()), 0
    assert (
        watch.folders_left
        and not watch.changes
        and watch.reason_to_wait(SETTLE, time.time()) == "still listing: 12 folders to go"
    )
    while watch.folders_left:
        watch, looks = scan(Watch.of(watch.as_json()), tmp_path, [str(folder)], SETTLE, 0.0, time.time()), looks + 1
        assert looks <= 12
    whole = looked(Watch(), folder, home=tmp_path)
    assert looks == 12 and watch.listed == whole.listed and watch.changes.added == 12


def test_a_watch_is_stored_under_the_keys_that_it_always_had() -> None:
    """Cursors in Dagster's database outlive the version that wrote them."""
    stored = {
        "taken": {"a": "1"},
        "found": {"a": "2"},
        "left": [["docs", "docs/deep"]],
        "away": ["b"],
        "waiting": 3,
        "feeds": {"c": 5.0},
        "restless": ["d"],
        "since": 6.0,
        "tried": "hash",
        "failures": 2,
        "again": 7.0,
    }
    watch = Watch.of(json.dumps(stored))
    assert json.loads(watch.as_json()) == stored and Watch.of(watch.as_json()) == watch
    assert (watch.ingested, watch.listed, watch.folders_left) == ({"a": "1"}, {"a": "2"}, (("docs", "docs/deep"),))
    assert (watch.unreachable, watch.still_written, watch.retry_at) == (("b",), 3, 7.0)
    assert Watch.of("") == Watch.of("{}") == Watch()


def test_object_stores_are_watched_by_size_and_time(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/watched/a.txt", b"one")
    try:
        watch = taken("memory://watched", home=tmp_path)
        assert not looked(watch, "memory://watched", home=tmp_path).changes
        store.pipe("/watched/a.txt", b"two")
        store.pipe("/watched/below/b.txt", b"one")
        assert str(looked(watch, "memory://watched", home=tmp_path).changes) == "1 added, 1 changed"
    finally:
        store.rm("/watched", recursive=True)


def test_a_source_that_was_never_read_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="no file or folder"):
        looked(Watch(), tmp_path / "docs", home=tmp_path)


def test_a_source_that_is_away_is_named_and_counts_as_it_was_and_the_others_go_on(tmp_path: Path) -> None:
    folder, feed, other = tmp_path / "docs", tmp_path / "feed.jsonl", tmp_path / "other"
    for path in (folder / "a.txt", folder / "deep" / "b.txt", other / "c.txt"):
        settled(path, path.name)
    settled(feed, '{"_id": "1", "text": "One."}')
    sources = (folder, feed, other)
    committed(tmp_path, sources)
    watch = taken(*sources, home=tmp_path)
    folder.rename(tmp_path / "away")
    feed.unlink()
    settled(other / "c.txt", "another text")
    blind = Watch.of(looked(watch, *sources, home=tmp_path).as_json())
    assert str(blind.changes) == "1 changed" and blind.reason_to_wait(SETTLE, time.time()) is None
    assert blind.unreachable_sources(list(map(str, sources))) == [str(folder), str(feed)]
    (tmp_path / "away").rename(folder)
    watch = looked(blind.after_update(), *sources, home=tmp_path)
    assert not watch.changes and watch.unreachable_sources(list(map(str, sources))) == [str(feed)]
    fresh = looked(Watch(), *sources, home=tmp_path)
    assert str(fresh.changes) == "3 added", "what is away is added when it is back"


def test_a_source_that_leaves_while_it_is_listed_counts_as_it_was(tmp_path: Path) -> None:
    folder, other = tmp_path / "docs", tmp_path / "other"
    for path in (folder / "a.txt", folder / "b" / "b.txt", folder / "c" / "c.txt", other / "d.txt"):
        settled(path, path.name)
    committed(tmp_path, [folder, other])
    watch, sources = taken(folder, other, home=tmp_path), [str(folder), str(other)]
    settled(folder / "a.txt", "another text")
    watch = scan(watch, tmp_path, sources, SETTLE, 0.0, time.time())
    assert len(watch.folders_left) == 3
    folder.rename(tmp_path / "away")
    watch = looked(watch, folder, other, home=tmp_path)
    assert (
        not watch.folders_left
        and str(watch.changes) == "1 changed"
        and watch.unreachable_sources(sources) == [str(folder)]
    )


def test_a_folder_that_is_not_listed_counts_as_it_was_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ls = tmp_path / "docs", LocalFileSystem.ls
    for name in ("a.txt", "shut/b.txt", "shut/deep/c.txt", "shut-too/d.txt"):
        settled(folder / name, name)
    watch = taken(folder, home=tmp_path)
    settled(folder / "a.txt", "another text")
    settled(folder / "shut" / "b.txt", "another text")
    (folder / "shut-too" / "d.txt").unlink()

    def shut(self: LocalFileSystem, path: str, **kwargs: object) -> object:
        if Path(path).name == denied:
            raise PermissionError(13, "Permission denied", path)
        return ls(self, path, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", shut)
    denied = "shut"
    blind = looked(watch, folder, home=tmp_path)
    assert str(blind.changes) == "1 changed, 1 removed"
    denied = "docs"
    with pytest.raises(UnreadableSource, match="cannot be listed: PermissionError"):
        looked(watch, folder, home=tmp_path)
    denied = ""
    committed(tmp_path, [folder])
    denied = "docs"
    assert not looked(watch, folder, home=tmp_path).changes
    denied = ""
    assert str(looked(blind.after_update(), folder, home=tmp_path).changes) == "1 changed"


def test_what_could_not_be_reached_is_tried_again_though_nothing_changes() -> None:
    now = 1000.0
    watch = Watch().after_listing([ListedFile("a", "1", None)], SETTLE, now).after_update().after_partial_success(now)
    assert not watch.changes and "did not take everything in" in (watch.reason_to_wait(SETTLE, now + 1) or "")
    assert watch.reason_to_wait(SETTLE, now + 61) is None
    assert watch.after_listing([ListedFile("b", "1", None)], SETTLE, now).reason_to_wait(SETTLE, now + 1) is None
    assert watch.after_update().after_success().reason_to_wait(SETTLE, now + 61) == "nothing has changed"


def test_what_failed_is_tried_again_after_a_while_or_when_something_changes() -> None:
    listing = [ListedFile("a", "1", None)]
    watch = Watch().after_listing(listing, SETTLE, 0).after_update().after_failure(0)

    def after(seconds: float, *files: ListedFile) -> str | None:
        return (
            replace(watch, listed={}, still_written=0)
            .after_listing(files, SETTLE, seconds)
            .reason_to_wait(SETTLE, seconds)
        )

    assert (
        after(59, *listing) == "the last update did not take everything in: next try in 1 s, or when something changes"
    )
    assert after(60, *listing) is None
    assert after(1, *listing, ListedFile("b", "1", None)) is None
    assert watch.after_success().failures == 0


files = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from("123"), st.one_of(st.none(), st.floats(0, 100))), max_size=6
)


def seen(state: dict[str, tuple[str, float | None]]) -> Iterator[ListedFile]:
    return (ListedFile(key, stamp, written) for key, (stamp, written) in state.items())


@given(st.lists(st.tuples(files, st.booleans()), max_size=8))
def test_whatever_happens_what_is_at_rest_is_taken_in_once_and_nothing_is_lost(
    history: list[tuple[dict[str, tuple[str, float | None]], bool]],
) -> None:
    """A watcher that takes in what is due knows in the end each file as it is, and updates no more."""
    watch, now = Watch(), 0.0
    for state, fails in history:
        now += 10
        watch = Watch.of(
            replace(watch, listed={}, still_written=0).after_listing(list(seen(state)), SETTLE, now).as_json()
        )
        if watch.reason_to_wait(SETTLE, now) is None:
            watch = watch.after_update().after_failure(now) if fails else watch.after_update().after_success()
    last = history[-1][0] if history else {}
    for _ in range(3):
        now += 4000
        watch = replace(watch, listed={}, still_written=0).after_listing(list(seen(last)), SETTLE, now)
        watch = watch.after_update() if watch.reason_to_wait(SETTLE, now) is None else watch
    assert dict(watch.ingested) == {key: stamp for key, (stamp, _) in last.items()}
    assert not watch.changes
