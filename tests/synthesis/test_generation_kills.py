"""A process that has passages written about is killed at random: each is covered or listed, and none is paid for twice.

The service has all its faults, and its own count is held against ours.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from genret_ops.settings import Settings
from genret_ops.synthesis.generation_store import FILE, account_of
from genret_ops.synthesis.language_model import BROKEN, LOST, TIMED_OUT
from tests.support.language_service import Faults, LanguageService, serving
from tests.support.written_corpus import settings_of

ROOT = Path(__file__).parents[2]
FAULTS = Faults(
    busy=0.1, lost=0.2, broken=0.02, truncated=0.03, refused=0.02, invalid=0.02, slow=0.02, expired=0.05, errored=0.05,
    slow_seconds=1.5,
)  # fmt: skip
PATIENCE = 300.0
pytest.importorskip("anthropic")


def start(home: Path, passages: int, settings: Settings) -> "subprocess.Popen[str]":
    groups = {"synthesis": settings.synthesis.model_dump(), "generation": settings.generation.model_dump()}
    command = [sys.executable, "-m", "tests.support.written_corpus", str(home), str(passages), json.dumps(groups)]
    environment = os.environ | {"ANTHROPIC_API_KEY": "right"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def calls(service: LanguageService) -> int:
    return sum(service.calls.values())


def killed(process: "subprocess.Popen[str]", service: LanguageService, moment: random.Random, most: int) -> bool:
    """Kill a process when it has made some calls, and a moment has passed; whether it was still at work."""
    target, end = calls(service) + moment.randint(1, most), time.monotonic() + PATIENCE
    while calls(service) < target and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(moment.uniform(0.0, 0.05))
    struck = process.poll() is None
    process.kill()
    process.communicate()
    return struck


def survive(home: Path, passages: int, kills: int, seed: int, most: int, **generation: object) -> None:
    """Have passages written about by processes of which so many are killed; hold the outcome against the service."""
    moment = random.Random(seed)
    with serving(LanguageService(FAULTS, seed, batch_seconds=1.0)) as service:
        settings = settings_of(service.url, timeout_seconds=1.0, **generation)
        struck = 0
        for _ in range(20 * kills):
            struck += killed(start(home, passages, settings), service, moment, most)
            if struck == kills:
                break
        process = start(home, passages, settings)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        outcome: dict[str, Any] = json.loads(output)
        time.sleep(FAULTS.slow_seconds)
    account = account_of(home)
    with closing(sqlite3.connect(home / FILE)) as connection:
        messages = [message for (message,) in connection.execute("select message from attempts where message != ''")]
    assert struck == kills
    assert outcome["answered"] + len(outcome["failures"]) == passages
    assert all(reason for *_, reason in outcome["failures"])
    assert set(service.good_answers().values()) == {1}, "none is paid for twice"
    known = [each for each in service.billed if each.message in set(messages)]
    assert len(messages) == len(set(messages)) == len(known)
    assert account.spent == pytest.approx(sum(each.dollars for each in known))
    lost = sum(reason in (LOST, BROKEN, TIMED_OUT) for *_, reason in outcome["failures"])
    unknown = [each for each in service.billed if each.message not in set(messages)]
    assert len(unknown) <= lost, "what was billed and never came is listed"
    assert service.dollars <= account.spent + account.uncertain + 1e-9 <= settings.generation.cap
    assert account.set_aside == 0
    if settings.generation.bulk == 1:
        assert not lost and account.spent == pytest.approx(service.dollars), "of a batch, no kill loses anything"


@pytest.mark.parametrize(("seed", "bulk"), [(1, 1), (2, 1000)], ids=["in batches", "one by one"])
def test_sixty_passages_survive_two_kills(tmp_path: Path, seed: int, bulk: int) -> None:
    survive(tmp_path, 60, kills=2, seed=seed, most=4 if bulk == 1 else 20, bulk=bulk, cap=1.0 if bulk == 1 else 5.0)


def test_ctrl_c_keeps_what_is_under_way(tmp_path: Path) -> None:
    with serving(LanguageService(Faults(slow=1.0, slow_seconds=0.3))) as service:
        settings = settings_of(service.url, concurrency=5)
        process = start(tmp_path, 60, settings)
        end = time.monotonic() + PATIENCE
        while service.calls["message"] < 12 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode != 0 and "KeyboardInterrupt" in errors
        assert len(service.billed) < 30
        account = account_of(tmp_path)
        assert account.answers == len(service.billed) and account.spent == pytest.approx(service.dollars)
        assert account.set_aside == account.uncertain == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bulk", [1, 50, 10_000], ids=["in batches", "mixed", "one by one"])
def test_a_thousand_passages_survive_five_kills(tmp_path: Path, seed: int, bulk: int) -> None:
    survive(
        tmp_path, 1000, kills=5, seed=seed, most=6 if bulk < 1000 else 200, bulk=bulk, cap=4.0 if bulk < 1000 else 20.0
    )
