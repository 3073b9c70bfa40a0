"""A causal release goes the way of every other: built, judged, served, updated, patched, audited, packed, erased."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.visibility import withdraw
from genret_ops.identifiers.codes import CODEBOOKS
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.verification import SAME, check
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.retrieval.artifacts import read_identifiers
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage import jsonl
from serving.pack import PackSource, pack
from tests.support.tiny_causal import TinyCorpus, write_tiny_model

pytest.importorskip("trl")
Once = Callable[[str, Callable[[Path], None]], Path]
FIRST, LATER = 40, 44
HALVES = ("even", "odd")
SETTINGS = """
[causal]
model = "{model}"
prompt_tokens = 32
identifiers = "{identifiers}"
code_clusters = 8

[model]
encoder = "{encoder}"
rank = 64
alpha = 128

[training]
steps = 120
update_steps = 30
lr_adapter = 5e-3

[synthesis]
heldout_queries = 60

[gate]
questions = 20
"""


def source(folder: Path, documents: range) -> str:
    """Write a source: one document for each of these passages of the tiny corpus."""
    texts = TinyCorpus.of(LATER).texts
    rows = [
        {"_id": f"d{number}", "title": "", "text": texts[number], "metadata": {"half": HALVES[number % 2]}}
        for number in documents
    ]
    jsonl.rewrite(folder / "corpus.jsonl", rows)
    return str(folder / "corpus.jsonl")


def build(path: Path, model: Path, encoder: Path, identifiers: str) -> None:
    """Make a home whose champion is a causal release."""
    path.mkdir()
    settings = SETTINGS.format(model=model, encoder=encoder, identifiers=identifiers)
    (path / "genret.toml").write_text(settings)
    home = Home(path)
    runner.ingest(home, [source(path, range(FIRST))])
    runner.build(home, home.settings, waiver="a test")


@pytest.fixture(scope="module")
def built(made_once: Once, small_encoder: Path) -> Path:
    """A home whose champion is a causal release. Read only."""
    model = made_once("tiny-causal", write_tiny_model)
    return made_once("causal-home", lambda path: build(path, model, small_encoder, "keywords"))


@pytest.fixture
def home(built: Path, tmp_path: Path) -> Home:
    """The home, to do anything with."""
    home = Home(Path(shutil.copytree(built, tmp_path / "home")))
    (home.path / "corpus.jsonl").unlink()
    runner.ingest(home, [source(tmp_path, range(FIRST))], only=True)
    return home


def question(number: int) -> str:
    """Three of the four words that matter in a document."""
    return " and ".join(TinyCorpus.of(LATER).words[number][:3])


def hits(retriever: Retriever, number: int, **options: object) -> list[str]:
    """The documents that are written for the question of a document."""
    answer = retriever.search(question(number), mode="generative", **options)  # type: ignore[arg-type]
    return [hit.doc_id for hit in answer.hits]


def test_it_answers_by_what_it_writes(home: Home) -> None:
    release, retriever = open_release(home)
    writer = retriever.model.writer
    assert writer is not None and sorted(writer.writable.docids.tolist()) == list(range(FIRST))
    answer = retriever.search(question(0), mode="generative")
    assert len(answer.hits) == writer.beams and {hit.state for hit in answer.hits} == {"learned"}
    assert sum(hit.score for hit in answer.hits) == pytest.approx(1.0, abs=1e-3)
    accounts = [hit.found_by["generative_whole"] for hit in answer.hits if hit.score > 1e-3]
    assert accounts == [
        (rank, round(hit.score, 4)) for rank, hit in zip(range(len(accounts)), answer.hits, strict=False)
    ]
    assert np.mean([f"d{number}" in hits(retriever, number) for number in range(FIRST)]) > 0.8
    assert "language model" in (release.folder / "README.md").read_text()
    assert release.manifest().training_tables.keys() == {"queries", "pairs", "identifiers"}


def test_filters_and_withdrawals_act_while_it_writes(home: Home) -> None:
    _, retriever = open_release(home)
    odd = hits(retriever, 1, filters={"half": "odd"})
    assert len(odd) == 10 and all(int(name[1:]) % 2 for name in odd)
    assert hits(retriever, 1)[0] == "d1"
    withdraw(home.path, "d1")
    assert "d1" not in hits(retriever, 1) and len(hits(retriever, 1)) == 10


def test_an_update_adds_identifiers_and_moves_none(home: Home, tmp_path: Path) -> None:
    first, _ = open_release(home)
    before = read_identifiers(first.folder)
    runner.ingest(home, [source(tmp_path, range(2, LATER))], only=True)
    patch, retriever = open_release(home)
    patched = read_identifiers(patch.folder)
    assert patch.model == first.model and patched.num_rows == LATER and patched.slice(0, FIRST).equals(before)
    assert "d0" not in hits(retriever, 0)
    learned = runner.build(home, home.settings, waiver="a test").release
    assert learned.parent == patch.number and learned.generation == first.generation
    assert read_identifiers(learned.folder).equals(patched)
    _, retriever = open_release(home)
    assert np.mean([f"d{number}" in hits(retriever, number) for number in range(2, FIRST)]) > 0.8
    assert {hit.state for hit in retriever.search(question(LATER - 1), mode="generative").hits} == {"learned"}


def test_codes_go_the_same_way(made_once: Once, small_encoder: Path, tmp_path: Path) -> None:
    path = tmp_path / "home"
    build(path, made_once("tiny-causal", write_tiny_model), small_encoder, "codes")
    home = Home(path)
    first, retriever = open_release(home)
    before = read_identifiers(first.folder)
    assert all(re.fullmatch(r"[0-7]-[0-7]-\d+", identifier) for identifier in before["identifier"].to_pylist())
    assert np.mean([f"d{number}" in hits(retriever, number) for number in range(FIRST)]) > 0.8
    runner.ingest(home, [source(tmp_path, range(2, LATER))], only=True)
    patch, retriever = open_release(home)
    patched = read_identifiers(patch.folder)
    assert patched.num_rows == LATER and patched.slice(0, FIRST).equals(before)
    assert "d0" not in hits(retriever, 0)
    learned = runner.build(home, home.settings, waiver="a test").release
    assert learned.generation == first.generation and read_identifiers(learned.folder).equals(patched)
    codebooks = [release.folder / "writer" / CODEBOOKS for release in (first, patch, learned)]
    assert len({file.read_bytes() for file in codebooks}) == 1
    release, retriever = open_release(home)
    checks = check(home, answer_lineage(home, release, retriever, retriever.search(question(5)), 1))
    assert {entry["state"] for entry in checks} == {SAME}
    assert f"writer/{CODEBOOKS} of {release.name}" in {entry["what"] for entry in checks}
    other = home.settings.model_copy(
        update={"causal": home.settings.causal.model_copy(update={"identifiers": "keywords"})}
    )
    assert "other settings" in runner.plan_build(home, other).genesis


def test_its_lineage_names_the_language_model_and_is_verified(home: Home) -> None:
    release, retriever = open_release(home)
    answer = retriever.search(question(0), mode="generative")
    checks = check(home, answer_lineage(home, release, retriever, answer, 1))
    assert {each["state"] for each in checks} == {SAME}
    named = {each["what"] for each in checks}
    assert {"language model of r1", "writer/adapter/adapter_model.safetensors of r1"} <= named


def test_a_packed_release_needs_the_model_nowhere_else(home: Home, tmp_path: Path) -> None:
    _, retriever = open_release(home)
    pack(home, tmp_path / "pack")
    packed = PackSource(tmp_path / "pack")
    number = packed.champion()
    assert number is not None
    state = packed.open(number, None)
    assert hits(state.retriever, 3) == hits(retriever, 3)
    assert (tmp_path / "pack" / "language-model" / "model.safetensors").exists()


def test_an_erasure_reaches_what_was_written(home: Home) -> None:
    report = erase(home, "d7")
    assert report["left"] == []
    _, retriever = open_release(home)
    writer = retriever.model.writer
    assert writer is not None and len(writer.writable.docids) == FIRST - 1
    assert "d7" not in hits(retriever, 7)
