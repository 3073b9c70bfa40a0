"""`genret watch`: what changes flows in while it runs, and Ctrl-C ends it cleanly."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genret_ops.cli.render.automation import watched
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.summaries import status
from tests.support.commands import genret
from tests.support.places import on_disk, searchable

SOON = "\n[updates]\npoll_seconds = 0.5\nsettle_seconds = 0.5\nlearn_after_passages = {}\n"


@contextmanager
def watching(home: Path, *arguments: str, background: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """A watcher, ended at the latest when the context is left; in the `background` as a shell starts it by `&`."""
    command = [sys.executable, "-m", "genret_ops.cli", "watch", *arguments, "--json", "--home", str(home)]
    if background:
        command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def events(process: "subprocess.Popen[str]") -> Iterator[dict[str, object]]:
    """What the watcher reports, as it does."""
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        if line == "}\n":
            yield json.loads(lines)
            lines = ""


def test_it_takes_in_what_comes_and_ends_on_ctrl_c(home_copy: Path, folder: Path) -> None:
    (home_copy / "genret.toml").write_text((home_copy / "genret.toml").read_text() + SOON.format(100000))
    with watching(home_copy, str(folder)) as process:
        lines = events(process)
        first = next(lines)
        assert (first["done"], first["delta"]) == ("update", None), "nothing is new"
        (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
        (folder / "bees.md").unlink()
        second = next(line for line in lines if line["delta"])
        assert second["changes"] == {"added": 1, "changed": 0, "removed": 1, "redescribed": 0}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        errors = process.stderr.read()
        assert "Stopped watching." in errors and "Traceback" not in errors
    assert searchable(home_copy) == on_disk(folder, home_copy)


def test_in_the_background_it_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "genret.toml").write_text(SOON.format(100000))
    with watching(tmp_path / "home", str(tmp_path / "docs"), background=True) as process:
        assert next(events(process))["delta"] == "delta-00000"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        first = f"Watching {tmp_path}/docs and the inbox every 0.5 s. Ctrl-C stops."
        said = " ".join(process.stderr.read().split())
        build = "( genret: a part of the documents is held out from training: ingest at least two that have text)?"
        assert re.fullmatch(
            rf"{re.escape(first)}( encoding passages: \d+ of \d+)*{build} Stopped watching\.{build}", said
        )


def test_once_takes_in_what_has_changed_learns_it_and_ends(home_copy: Path, folder: Path) -> None:
    (home_copy / "genret.toml").write_text((home_copy / "genret.toml").read_text() + SOON.format(1))
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    done = genret("watch", str(folder), "--once", home=home_copy)
    assert "searchable in r3" in done.stdout and "learning 1 passage" in done.stdout
    champion = Registry(home_copy).release("champion")
    assert champion.delta == "delta-00002"
    assert status(Home(home_copy))["unlearned"]["passages"] in {0, 1}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"done": "failed", "error": "no source"}, "11:22:33 ingest failed: no source"),
        ({"done": "learning", "passages": 3}, "11:22:33 learning 3 passages"),
        ({"done": "learned", "code": 0}, "11:22:33 learned"),
        (
            {"done": "not learned", "code": 1},
            "11:22:33 not learned: the build ended with code 1, see its messages above",
        ),
        (
            {"done": "update", "delta": None, "snapshot": "delta-00001", "unreached": {}},
            "11:22:33 nothing new since delta-00001",
        ),
        (
            {"done": "update", "delta": None, "snapshot": "delta-00001", "unreached": {"docs/a.md": "busy"}},
            "11:22:33 nothing new since delta-00001; docs/a.md (busy) cannot be reached, so the last known state stays",
        ),
        (
            {"done": "away", "unreached": {"/docs": "", "s3://notes": ""}},
            "11:22:33 /docs, s3://notes cannot be reached, so the last known state stays",
        ),
    ],
)
def test_each_thing_is_one_line(facts: dict[str, object], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    watched({"at": "2026-05-01T11:22:33+00:00", **facts})
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.soak
def test_twenty_changes_in_quick_succession_end_as_the_folder_is(home_copy: Path, folder: Path) -> None:
    """Adds, edits, deletions and renames: each is answered soon, and in the end exactly what lies there is."""
    (home_copy / "genret.toml").write_text((home_copy / "genret.toml").read_text() + SOON.format(100000))
    rng, dropped, waited = random.Random(20), time.monotonic(), list[float]()
    with watching(home_copy, str(folder)) as process:
        lines = events(process)
        next(lines)
        for number in range(20):
            path = rng.choice(sorted(path for path in folder.glob("*.txt") if "-" in path.name))
            kind = rng.choice(("add", "edit", "delete", "rename"))
            if kind == "add":
                (folder / f"added-{number}.txt").write_text(f"Report {number} counts {rng.random()} boats.")
            elif kind == "edit":
                path.write_text(path.read_text() + f" Since then {rng.random()} people came.")
            elif kind == "delete":
                path.unlink()
            else:
                path.rename(folder / f"moved-{number}.txt")
            dropped = time.monotonic()
            time.sleep(rng.uniform(0, 2))
            if number % 5 == 4:
                while searchable(home_copy) != on_disk(folder, home_copy):
                    time.sleep(0.2)
                    assert time.monotonic() - dropped < 120, "it never came to be"
                waited.append(time.monotonic() - dropped)
        print("seconds from the last of five changes to the answer:", [f"{seconds:.1f}" for seconds in waited])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert searchable(home_copy) == on_disk(folder, home_copy)
    deltas = Home(home_copy).store.snapshots()
    assert deltas == [f"delta-{number:05d}" for number in range(len(deltas))]
