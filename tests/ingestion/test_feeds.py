"""A source that is one file is left as it was while it is written, however often other sources are read meanwhile."""

import os
import time
from pathlib import Path

import pytest

from genret_ops.ingestion.file_watcher import Watch, scan
from tests.support.homes import committed, read

SETTLE = 5.0


def written(path: Path, text: str, age: float) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.csv"])
def test_what_a_feed_held_stays_until_it_is_at_rest(tmp_path: Path, name: str) -> None:
    feed, folder, home = tmp_path / name, tmp_path / "docs", tmp_path / "home"
    folder.mkdir()
    row = '{{"_id": "{0}", "text": "Row {0}."}}\n' if name.endswith("jsonl") else "{0},Row {0}.\n"
    head = "" if name.endswith("jsonl") else "id,text\n"
    written(feed, head + row.format(1) + row.format(2), 60)
    written(folder / "a.txt", "One.", 60)
    committed(home, [folder, feed])
    written(feed, head + row.format(3), 1)
    written(folder / "b.txt", "Two.", 60)
    texts, refused = read(home, [folder, feed], SETTLE)
    assert set(texts) == {"a.txt", "b.txt", "1", "2"} and not refused
    assert set(read(home, [folder, feed], SETTLE, [feed])[0]) == {"a.txt", "b.txt", "3"}, "never at rest: read as it is"
    written(feed, head + row.format(3), 60)
    assert set(read(home, [folder, feed], SETTLE)[0]) == {"a.txt", "b.txt", "3"}


def test_a_watcher_names_the_feeds_that_are_never_at_rest(tmp_path: Path) -> None:
    feed, still = tmp_path / "feed.jsonl", tmp_path / "still.jsonl"
    sources, now = [str(feed), str(still)], time.time()
    written(feed, "{}\n", 60)
    written(still, "{}\n", 60)
    watch = scan(Watch(), tmp_path, sources, SETTLE, 60, now).after_update()
    named = []
    for seconds in (1, 30, 55, 56):
        feed.write_text("{}\n" * seconds)
        os.utime(feed, (now + seconds, now + seconds))
        watch = Watch.of(scan(watch, tmp_path, sources, SETTLE, 60, now + seconds).as_json())
        named.append(watch.restless_sources(sources))
    assert named == [[], [], [str(feed)], []]
