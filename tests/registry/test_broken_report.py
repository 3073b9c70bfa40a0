"""A report of the gate that is not the one that was made is reported with its release, and harms no other."""

import asyncio
from pathlib import Path

import pytest

from genret_ops.errors import BrokenRelease
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from serving.auth.access import Caller
from serving.routes import releases
from serving.worker import Worker
from tests.support.commands import call, result
from tests.support.databases import Database
from tests.support.releases import another

BROKEN = "the gate's report on r1 is not the one that was made: judge the release again"


def test_the_releases_are_listed_with_the_broken_report_of_one(home_copy: Path) -> None:
    assert another(Home(home_copy), 1, 1) == 2
    Database().tamper(home_copy, "UPDATE verdicts SET report = replace(report, 'true', 'false') WHERE release = 1")
    with pytest.raises(BrokenRelease, match="judge the release again"):
        Registry(home_copy).verdict(1)

    worker = Worker(home_copy)
    asyncio.run(worker.champion.look())
    answer = asyncio.run(releases.releases(worker, Caller("anybody")))
    assert answer["release"] == "r1"
    untrained, *others = (release["gate"] for release in answer["releases"])
    assert untrained["passed"] and not untrained["broken"]
    assert others == [
        {"passed": False, "criteria": [], "broken": BROKEN},
        {"passed": True, "criteria": [], "broken": None},
    ]
    assert result("releases", home=home_copy) == answer["releases"]
    shown = call("releases", home=home_copy)
    assert "r2" in shown and BROKEN in shown
