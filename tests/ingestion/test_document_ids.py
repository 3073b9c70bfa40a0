"""A document keeps its id while it stays, whatever comes and goes beside it: what is withdrawn is known by its id."""

from pathlib import Path

from genret_ops.corpus.erased import Erased, Erasure
from genret_ops.corpus.visibility import withdraw
from genret_ops.ingestion.inbox import Inbox
from genret_ops.records import Document
from genret_ops.registry.home import Home
from tests.support.homes import committed, read


def _folders(tmp_path: Path, **texts: str) -> list[Path]:
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.md").write_text(f"# Plan\n\n{text}\n")
    return [tmp_path / name for name in texts]


def test_the_second_of_a_name_does_not_take_the_name_of_the_first_that_left(tmp_path: Path) -> None:
    first, second = _folders(tmp_path, first="about bridges", second="about tunnels")
    committed(tmp_path / "home", [first, second])
    (first / "plan.md").unlink()
    texts, _ = read(tmp_path / "home", [first, second])
    assert list(texts) == [f"{second}/plan.md"]


def test_the_first_of_a_name_keeps_it_when_another_is_read_before(tmp_path: Path) -> None:
    first, second = _folders(tmp_path, first="about bridges", second="about tunnels")
    committed(tmp_path / "home", [second])
    texts, _ = read(tmp_path / "home", [first, second])
    assert "tunnels" in texts["plan.md"] and "bridges" in texts[f"{first}/plan.md"]


def test_a_copy_that_becomes_a_document_does_not_take_a_name(tmp_path: Path) -> None:
    first, second = _folders(tmp_path, first="about bridges", second="about tunnels")
    (first / "a.md").write_text("# Plan\n\nabout bridges\n")
    committed(tmp_path / "home", [first, second])
    (first / "a.md").unlink()
    texts, _ = read(tmp_path / "home", [first, second])
    assert "tunnels" in texts["plan.md"] and "bridges" in texts[f"{first}/plan.md"]


def test_a_document_that_moves_to_another_folder_is_the_same(tmp_path: Path) -> None:
    first, second = _folders(tmp_path, first="about bridges", second="about tunnels")
    committed(tmp_path / "home", [first])
    (first / "plan.md").rename(second / "plan.md")
    assert list(read(tmp_path / "home", [first, second])[0]) == ["plan.md"]


def test_what_was_withdrawn_or_erased_comes_back_under_no_other_name(tmp_path: Path) -> None:
    first, second, third = _folders(tmp_path, first="about bridges", second="about tunnels", third="about towers")
    home = tmp_path / "home"
    committed(home, [first, second, third])
    withdraw(home, f"{second}/plan.md")
    Erasure(f"{third}/plan.md", "2026-11-24", (), (), (), ()).begin(home)
    for folder in (first, second, third):
        (folder / "plan.md").rename(folder / "away")
    (first / "else.md").write_text("# Else\n\nabout roads\n")
    committed(home, [first, second, third], 1)
    for folder in (second, third):
        (folder / "away").rename(folder / "plan.md")
    assert set(read(home, [first, second, third])[0]) == {"else.md", f"{second}/plan.md"}
    assert Erased.of(home).times


def test_what_a_posting_replaced_is_still_replaced_after_a_snapshot(tmp_path: Path) -> None:
    (first,) = _folders(tmp_path, first="about bridges")
    home = tmp_path / "home"
    committed(home, [first])
    inbox = Inbox(Home(home))
    inbox.post(Document("plan.md", "Plan", "about ferries"), "test")
    committed(home, [first], 1)
    assert read(home, [first])[0] == {"plan.md": "about ferries"}
    inbox.withdraw("plan.md", "test")
    assert "bridges" in read(home, [first])[0]["plan.md"], "the file of that id, which the withdrawal hides"
