"""An ingest has a language model read what no rule finds: once, within the cap, beside a build, and erased."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops import summaries
from genret_ops.corpus.erased import ERASING, Erasure
from genret_ops.corpus.extracted import TABLE, extracted_of
from genret_ops.records import ExtractedValue
from genret_ops.registry.home import Home
from genret_ops.synthesis.generation_store import LOCK, account_of
from tests.support.language_service import INPUT_PRICE, OUTPUT_PRICE, LanguageService, serving

pytest.importorskip("anthropic")
SETTINGS = """
[extraction]
language_model = "anthropic:loopback-1"

[[extraction.attributes]]
name = "author"
type = "person"

[[extraction.attributes]]
name = "subject"
"""
TIDES = "By Ann Lee\n\nThe ferry waits for high tide before it leaves for the lighthouse."


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageService]:
    with serving(LanguageService()) as running:
        for name, value in {"BASE_URL": running.url, "CAP": "5", "BULK": "1000"}.items():
            monkeypatch.setenv(f"GENRET_GENERATION__{name}", value)
        monkeypatch.setenv("GENRET_GENERATION__INPUT_PRICE", str(INPUT_PRICE))
        monkeypatch.setenv("GENRET_GENERATION__OUTPUT_PRICE", str(OUTPUT_PRICE))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "right")
        yield running


@pytest.fixture
def home(home_copy: Path, folder: Path, service: LanguageService) -> Path:
    """A home that has two attributes read; a document names the author, and none says what it is about."""
    (folder / "tides.md").write_text(TIDES)
    with (home_copy / "genret.toml").open("a") as file:
        file.write(SETTINGS)
    return home_copy


def values(home: Path) -> dict[tuple[str, str], ExtractedValue]:
    record = Home(home).store.newest()
    assert record is not None
    rows = extracted_of(Home(home).store.read(TABLE, record.tables[TABLE]))
    return {(value.doc_id, value.attribute): value for value in rows}


def test_rules_come_first_and_nothing_is_paid_for_twice(home: Path, folder: Path, service: LanguageService) -> None:
    runner.ingest(Home(home))
    read = values(home)
    assert read["tides.md", "author"].by == "byline" and read["tides.md", "subject"].by == "model"
    subject = read["tides.md", "subject"]
    assert TIDES[subject.start : subject.end] == subject.value == "Ann"
    paid, account = len(service.billed), account_of(home)
    assert paid == account.answers > 1 and account.spent == pytest.approx(service.dollars)
    (folder / "tides.md").write_text(TIDES.replace("ferry", "boat"))
    runner.ingest(Home(home))
    assert len(service.billed) == paid + 1
    assert {key: value for key, value in values(home).items() if key[0] != "tides.md"} == {
        key: value for key, value in read.items() if key[0] != "tides.md"
    }


def test_while_a_build_asks_nothing_is_sent(home: Path, service: LanguageService) -> None:
    with FileLock(home / f"{LOCK}.lock"):
        runner.ingest(Home(home))
        assert not service.billed and ("tides.md", "author") in values(home)
        assert runner.ingest(Home(home)).delta is None, "nothing can be asked yet"
    assert runner.ingest(Home(home)).delta is not None and ("tides.md", "subject") in values(home)
    assert runner.ingest(Home(home)).delta is None


def test_texts_over_the_cap_are_read_once_it_is_higher(
    home: Path, service: LanguageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRET_GENERATION__CAP", "0.02")
    runner.ingest(Home(home))
    billed = len(service.billed)
    documents = {document for document, attribute in values(home) if attribute == "subject"}
    assert 0 < billed == len(documents) and service.dollars <= 0.02
    assert runner.ingest(Home(home)).delta is None
    monkeypatch.setenv("GENRET_GENERATION__CAP", "5")
    assert runner.ingest(Home(home)).delta is not None
    assert len(service.billed) > billed and runner.ingest(Home(home)).delta is None
    assert set(service.good_answers().values()) == {1}


def test_a_model_that_cannot_be_used_keeps_no_document_out(
    home: Path, service: LanguageService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENRET_GENERATION__CAP", "0")
    assert runner.ingest(Home(home)).delta is not None
    assert ("tides.md", "author") in values(home) and not service.calls
    assert "taken in without what it would read: nothing may be spent" in capsys.readouterr().err
    assert "set generation.cap" in summaries.status(Home(home))["unread"]
    assert runner.ingest(Home(home)).delta is None, "a watcher does not ask at every look"
    monkeypatch.setenv("GENRET_GENERATION__CAP", "5")
    assert runner.ingest(Home(home), retry=True).delta is not None and service.calls
    assert summaries.status(Home(home))["unread"] == ""
    assert runner.ingest(Home(home), retry=True).delta is None


def test_an_erasure_reaches_what_was_read_and_asks_nothing(
    home: Path, service: LanguageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.ingest(Home(home))
    answers, paid = account_of(home).answers, len(service.billed)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    report = erase(Home(home), "tides.md")
    assert [place for place in report["left"] if "registry" not in place] == []
    assert report["removed"]["answers of language models"] == 1 and account_of(home).answers == answers - 1
    assert len(service.billed) == paid and ("parking.md", "subject") in values(home)


def test_texts_wait_for_the_end_of_an_erasure_and_make_no_delta_meanwhile(home: Path, service: LanguageService) -> None:
    Erasure("gone.md", "2026-01-01T00:00:00+00:00", (), (), (), ()).begin(home)
    assert runner.ingest(Home(home)).delta is not None and not service.billed
    assert runner.ingest(Home(home)).delta is None
    (home / ERASING).unlink()
    assert runner.ingest(Home(home)).delta is not None and service.billed
