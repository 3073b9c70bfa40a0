"""The stations of a lineage in words: counts agree with nouns, and what is inherited, not compared or gone is named."""

import copy
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from genret_ops.lineage.render import Node, count_states, outline, write_page

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "home-8d2fb8b.tar.xz"


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """Lineages of the releases r1 and r2, its patch, and of an answer, as a command once printed them. Read only."""
    with tarfile.open(ARCHIVE) as archive:
        file = archive.extractfile("before.json")
        assert file is not None
        facts: dict[str, Any] = json.load(file)
    return {**facts["lineage"], "why": facts["why"]}


@pytest.fixture
def lineages(stored: dict[str, Any]) -> dict[str, Any]:
    """The same, to do anything with."""
    return copy.deepcopy(stored)


def stations(lineage: dict[str, Any]) -> dict[str, Node]:
    return {node.title: node for node in outline(lineage)}


def test_counts_agree_with_their_nouns(lineages: dict[str, Any]) -> None:
    nodes = stations(lineages["r2"])
    assert nodes["Gate on r2"].text == "passed on 1 criterion" and nodes["Gate on r1"].text == "passed on 2 criteria"
    assert nodes["Sources"].text == "13 files" and nodes["Sources"].facts[-1] == ("not shown", "1 file")
    assert nodes["Snapshot delta-00001"].text == "13 documents, 13 passages"


def test_what_a_patch_inherited_is_marked(lineages: dict[str, Any]) -> None:
    for name, inherited in (("r1", False), ("r2", True)):
        measures = [text for measure, text in stations(lineages[name])["Evaluation"].facts if measure != "fusion"]
        assert measures and all(text.endswith("(inherited)") == inherited for text in measures)


def test_a_criterion_that_compared_nothing_did_not_pass(lineages: dict[str, Any]) -> None:
    criterion = lineages["r1"]["gate"][0]["criteria"][0]
    criterion |= {"value": 0.0, "compared": False, "told": "MRR@10, not compared: questions about 3 documents"}
    node = stations(lineages["r1"])["Gate on r1"]
    assert node.text == "passed on 1 criterion"
    assert (criterion["name"], "not compared: questions about 3 documents") in node.facts


def test_a_refusal_and_a_release_that_was_never_judged(lineages: dict[str, Any]) -> None:
    lineages["r1"]["gate"][0]["criteria"][0] |= {"value": 0.1234, "bound": 0.95, "passed": False}
    lineages["r1"]["gate"][0]["refusals"] = ["reachable: too few"]
    node = stations(lineages["r1"])["Gate on r1"]
    assert node.text == "refused on 1 criterion"
    assert node.facts[0] == ("reachable", "REFUSED: 0.1234, at least 0.9500")
    lineages["r1"]["gate"][0] |= {"report_hash": None}
    assert stations(lineages["r1"])["Gate on r1"].text == "never judged"


def test_what_is_gone_is_not_guessed(lineages: dict[str, Any]) -> None:
    lineage = lineages["r1"]
    lineage["sources"] = None
    lineage["snapshot"]["kept"] = False
    lineage["chain"][0] = {"release": "r1", "gone": "r1 was collected", "model": "f" * 64}
    del lineage["evaluation"]["default_mode"]
    nodes = stations(lineage)
    assert nodes["Sources"].text == "it is no longer known which files"
    assert ("tables", "no longer kept") in nodes["Snapshot delta-00000"].facts
    assert nodes["Training of r1"].text == "r1 was collected" and "Genesis" not in nodes
    assert nodes["Evaluation"].text == "its mode is gone with its files"


def test_an_answer_leads_to_its_delta_and_to_what_taught_it(lineages: dict[str, Any]) -> None:
    nodes = stations(lineages["why"])
    assert nodes["Answer 1"].text == "The hives on the roof" and nodes["Came with delta-00000"].text == "added"
    assert nodes["What the model learned of it"].text == lineages["why"]["taught"]["told"]
    lineages["why"]["delta"] |= {"sure": False, "change": None}
    assert stations(lineages["why"])["Came with delta-00000"].text.startswith("or with an earlier one")


def test_states_are_counted_in_one_order() -> None:
    checks = [{"state": state} for state in ("gone", "same", "differs", "same")]
    assert count_states(checks) == "2 same, 1 differs, 1 gone" and count_states([]) == ""


def test_the_page_shows_every_station_and_what_differs(lineages: dict[str, Any], tmp_path: Path) -> None:
    entry = {"state": "differs", "what": "manifest of r2", "told": "a", "found": "<b>"}
    write_page(lineages["r2"] | {"checked": [entry]}, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert all(f">{node.title}</h2>" in page for node in outline(lineages["r2"]))
    assert "1 differs" in page and "manifest of r2: &lt;b&gt;" in page
