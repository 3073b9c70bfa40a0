"""A build has a language model write, learns from it and says what it cost; an erasure reaches what was written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from assets.lib.execution import instance_of
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.summaries import status
from genret_ops.synthesis.generation_store import FILE, account_of
from genret_ops.synthesis.queries import SPLITS, is_extractive, read_queries
from genret_ops.text import dollars
from tests.support.commands import call
from tests.support.erasure import holding
from tests.support.language_service import INPUT_PRICE, OUTPUT_PRICE, Faults, LanguageService, serving

pytest.importorskip("anthropic")


@pytest.fixture
def service() -> Iterator[LanguageService]:
    with serving(LanguageService(Faults(refused=0.2))) as running:
        yield running


@pytest.fixture
def home(ingested_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: LanguageService) -> Home:
    values = {
        "ANTHROPIC_API_KEY": "right",
        "GENRET_SYNTHESIS__LANGUAGE_MODEL": "anthropic:loopback-1",
        "GENRET_SYNTHESIS__HELDOUT": "0.4",
        "GENRET_GENERATION__BASE_URL": service.url,
        "GENRET_GENERATION__CAP": "5",
        "GENRET_GENERATION__INPUT_PRICE": str(INPUT_PRICE),
        "GENRET_GENERATION__OUTPUT_PRICE": str(OUTPUT_PRICE),
        "GENRET_GENERATION__BULK": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))


def metadata(home: Home, stage: str) -> dict[str, object]:
    with instance_of(home.dagster) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(stage))
    assert event is not None and event.asset_materialization is not None
    values = event.asset_materialization.metadata.items()
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in values
    }


def test_a_build_learns_from_them_and_pays_once(home: Home, service: LanguageService) -> None:
    release = runner.build(home, home.settings, waiver="a test").release
    queries = read_queries(home.store, release.delta, release.manifest().training_tables["queries"])
    written = [query for query in queries if not is_extractive(query)]
    by_split = {split: Counter(query.kind for query in written if query.split == split) for split in SPLITS}
    assert set(by_split["train"]) == {"chunk", "sentence", "constraint", "multihop"}
    assert set(by_split["hard"]) == {"hard"} and by_split["tuning"] and by_split["gate"]
    shown, account = metadata(home, "generated_queries"), account_of(home.path)
    assert shown["language model"] == "anthropic:loopback-1" and shown["dollars spent by this home"] > 0  # type: ignore[operator]
    (failure,) = shown["without an answer"]  # type: ignore[misc]
    assert failure["reason"] == "refused by the model"
    assert shown["requests"] == shown["answered"] + failure["requests"]  # type: ignore[operator,index]
    assert account.spent == pytest.approx(service.dollars)
    assert metadata(home, "synthetic_queries")["written queries kept"] > 100  # type: ignore[operator]
    assert status(home)["generated"]["answers"] == account.answers > 100
    assert f"{account.answers} answers for ${account.spent:.2f}" in call("status", home=home.path)
    billed = len(service.billed)
    consolidated = runner.build(home, home.settings, consolidate=True, waiver="a test")
    assert consolidated.new and len(service.billed) == billed, "nothing is paid for twice"

    assert any(FILE in place for place in holding(home.path, "bees.md"))
    report = erase(home, "bees.md")
    assert report["left"] == [] and report["removed"]["answers of language models"] > 3
    assert list(holding(home.path, "bees.md")) == []
    assert account_of(home.path).spent == pytest.approx(service.dollars), "what it cost stays in the account"


def test_a_build_that_is_stopped_says_what_was_spent(home: Home, service: LanguageService) -> None:
    service.faults = Faults(slow=1.0, slow_seconds=0.2)
    command = [sys.executable, "-m", "genret_ops.cli", "build", "--home", str(home.path)]
    environment = os.environ | {"GENRET_GENERATION__BULK": "10000", "GENRET_GENERATION__CAP": "500"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 240
    while len(service.billed) < 20 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    spent = account_of(home.path).spent
    assert spent == pytest.approx(service.dollars) and account_of(home.path).set_aside == 0
    assert "requests to anthropic:loopback-1: about" in errors and "$0.00 of the $500.00" in errors
    said = f"Stopped. {dollars(spent)} were spent on a language model, whose answers are kept. The same command goes on"
    assert process.returncode == 130 and said in errors


def test_without_a_cap_nothing_is_trained_and_nothing_sent(
    home: Home, service: LanguageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRET_GENERATION__CAP", "0")
    again = Home(home.path)
    with pytest.raises(
        GenretError, match=r"nothing may be spent on \d+ requests to anthropic:loopback-1.*generation.cap"
    ):
        runner.build(again, again.settings)
    assert not service.calls


def test_without_a_language_model_nothing_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRET_SYNTHESIS__LANGUAGE_MODEL", "")
    again = Home(home.path)
    runner.build(again, again.settings)
    assert metadata(again, "generated_queries") == {
        "skipped": "No language model is named in synthesis.language_model, so queries come from the text alone."
    }
    assert not (again.path / FILE).exists() and metadata(again, "synthetic_queries")["written queries kept"] == 0
