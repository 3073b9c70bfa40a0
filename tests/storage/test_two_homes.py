"""Two homes share nothing, and the same documents and seed give the same docids and the same queries."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.registry.home import Home
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.settings import Settings
from genret_ops.storage.files import file_hash
from genret_ops.synthesis.queries import lexical_neighbours, read_queries, write_queries
from tests.support.small_corpus import TINY


def call(*arguments: str, home: Path) -> dict:  # type: ignore[type-arg]
    done = CliRunner().invoke(app, [*arguments, "--json", "--home", str(home)], catch_exceptions=False)
    return dict(json.loads(done.stdout))


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def second_home(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("second")
    (home / "genret.toml").write_text(TINY)
    call("ingest", str(documents), home=home)
    return home


def written(home: Path, settings: Settings) -> list:  # type: ignore[type-arg]
    opened = Home(home)
    index = open_or_make_index(opened, opened.store.committed("delta-00000"), settings.retrieval)
    return write_queries(index.head, lexical_neighbours(index.head, index.lexical), settings)


def test_the_same_documents_get_the_same_docids(small_home: Path, second_home: Path) -> None:
    first, second = (Home(home).store.read("docids").sort_by("docid") for home in (small_home, second_home))
    assert first.num_rows > 60
    assert first.equals(second)


def test_the_same_seed_writes_the_same_queries(small_home: Path, second_home: Path) -> None:
    store = Home(small_home).store
    stored = read_queries(store, "delta-00000", store._table("queries").version)
    assert {query.split for query in stored} == {"train", "hard", "tuning", "gate"}
    assert written(second_home, Home(second_home).settings) == stored


def test_another_seed_writes_others(small_home: Path, second_home: Path) -> None:
    settings = Home(second_home).settings
    other = settings.model_copy(update={"training": settings.training.model_copy(update={"seed": 1})})
    assert written(second_home, other) != written(second_home, settings)


def test_work_in_one_home_leaves_the_other_as_it_is(home_copy: Path, tmp_path: Path) -> None:
    before = contents(home_copy)
    other, folder = tmp_path / "other", tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("A single line about walnuts.")
    assert call("ingest", str(folder), home=other)["documents"] == 1
    assert call("status", home=other)["champion"]["release"] == "r0"
    assert contents(home_copy) == before
    assert "a.txt" not in {hit["doc_id"] for hit in call("search", "walnuts", "-k", "100", home=home_copy)["hits"]}
