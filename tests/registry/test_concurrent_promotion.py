"""While the champion changes: of two promotions at once one wins, and a reader is answered by one release, whole."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.lib import runner
from genret_ops.registry.ancestry import rollback_target
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from tests.support.releases import another

PATIENCE = 120
QUERIES = ("descale the espresso machine", "when does the ferry leave for the lighthouse", "the archive in Lisbon")

PROMOTE = """
import sys
from pathlib import Path
from genret_ops.errors import AliasMoved
from genret_ops.registry.store import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(int(sys.argv[2]), "process", "race", expected=1)
except AliasMoved:
    print("refused")
else:
    print("won")
"""

READ = """
import json, sys, time
from pathlib import Path
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
home, queries, stop = Home(Path(sys.argv[1])), json.loads(sys.argv[2]), Path(sys.argv[3])
while not stop.exists():
    begun = time.monotonic()
    release, retriever = open_release(home)
    hits = [[[h.doc_id, h.docid, h.score] for h in retriever.search(q, 5, "generative").hits] for q in queries]
    ended, standing = time.monotonic(), Registry(home.path).aliases()
    answer = {"number": release.number, "content_hash": release.content_hash, "hits": hits}
    print(json.dumps({**answer, "begun": begun, "ended": ended, "aliases": standing}), flush=True)
"""


@dataclass(frozen=True)
class Reign:
    """A champion and the aliases of its time, from before it was promoted until it surely was no longer."""

    number: int
    previous: int | None
    begun: float
    ended: float


@pytest.fixture
def home(database_home: Path, tmp_path: Path) -> Home:
    """Four releases on two corpus heads, r3 champion: r1 on the first, its patch and two others on the second."""
    home = Home(database_home)
    (tmp_path / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide before it leaves.")
    patch = runner.ingest(home, [str(tmp_path / "tides.md")]).release
    assert patch is not None and patch.number == 2
    assert [another(home, 2, seed) for seed in (1, 2)] == [3, 4]
    Registry(home.path).promote(3, "test", "a model to go back from")
    return home


@contextmanager
def processes(script: str, *arguments: list[str]) -> Iterator[list["subprocess.Popen[str]"]]:
    """One process for each list of arguments, all ended when the context is left."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-W", "error", "-c", script]
    started = [subprocess.Popen([*command, *words], text=True, **pipes) for words in arguments]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_of_two_processes_one_promotion_wins(database_home: Path) -> None:
    numbers = [another(Home(database_home), 1, seed) for seed in (1, 2)]
    with processes(PROMOTE, *([str(database_home), str(number)] for number in numbers)) as both:
        for process in both:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=PATIENCE)[0].strip() for process in both]
    assert sorted(said) == ["refused", "won"]
    registry = Registry(database_home)
    won = numbers[said.index("won")]
    candidate = {} if won == numbers[-1] else {"candidate": numbers[-1]}
    assert registry.aliases() == {"champion": won, "previous": 1, **candidate}
    assert registry.problems() == []
    assert [event.actor for event in registry.events()[-2:]] == ["process", "process"]


def moved(home: Home, count: int, rng: random.Random) -> list[Reign]:
    """Promote and roll back at random, so many times; who reigned when."""
    registry = Registry(home.path)
    standing, begun, reigns = registry.aliases(), 0.0, list[Reign]()
    for number in range(count):
        starts = time.monotonic()
        if rng.random() < 0.25 and rollback_target(registry):
            runner.rollback(home, f"move {number}")
        else:
            others = [release for release in (1, 2, 3, 4) if release != standing["champion"]]
            registry.promote(rng.choice(others), "test", f"move {number}")
        reigns.append(Reign(standing["champion"], standing.get("previous"), begun, time.monotonic()))
        standing, begun = registry.aliases(), starts
        time.sleep(rng.random() / 5)
    return [*reigns, Reign(standing["champion"], standing.get("previous"), begun, float("inf"))]


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_a_reader_sees_one_champion_whole(home: Home, count: int, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    arguments = [str(home.path), json.dumps(QUERIES), str(stop)]
    with processes(READ, arguments, arguments) as readers:
        first = [reader.stdout.readline() for reader in readers if reader.stdout]
        assert all(first), [reader.communicate() for reader in readers]
        reigns = moved(home, count, random.Random(count))
        stop.touch()
        # not communicate(): it loses what readline() has taken from the pipe beyond its line
        said = [(reader.stdout.read(), reader.stderr.read()) for reader in readers if reader.stdout and reader.stderr]
        for reader in readers:
            reader.wait(PATIENCE)
        assert [reader.returncode for reader in readers] == [0, 0], said
    reads = [json.loads(line) for line in [*first, *(line for out, _ in said for line in out.splitlines())]]
    assert len(reads) >= count / 4 and len({read["number"] for read in reads}) >= 3, (
        "hardly anything was read meanwhile"
    )
    registry = Registry(home.path)
    expected = {release.number: answers(home, release.number) for release in registry.releases()}
    assert len({json.dumps(hits) for hits in expected.values()}) >= 4, "the releases have to answer differently"
    states = {(reign.number, reign.previous) for reign in reigns}
    for read in reads:
        number = read["number"]
        assert any(r.number == number and r.begun <= read["ended"] and r.ended >= read["begun"] for r in reigns), read
        assert read["content_hash"] == registry.release(number).content_hash
        assert (read["aliases"]["champion"], read["aliases"].get("previous")) in states
        for hits, right in zip(read["hits"], expected[number], strict=True):
            assert [hit[:2] for hit in hits] == [hit[:2] for hit in right], number
            assert [hit[2] for hit in hits] == pytest.approx([hit[2] for hit in right], abs=1e-4)
    assert registry.problems() == []


def answers(home: Home, number: int) -> list[list[list[Any]]]:
    retriever = open_release(home, number)[1]
    lists = (retriever.search(query, 5, "generative").hits for query in QUERIES)
    return [[[hit.doc_id, hit.docid, hit.score] for hit in hits] for hits in lists]
