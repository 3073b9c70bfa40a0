"""The audit trail says why the champion changed, and what had changed in the corpus."""

from pathlib import Path

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.registry.home import Home


def last_reason(home: Home) -> str:
    return home.registry.events("promoted")[-1].facts["reason"]


def test_an_update_counts_what_has_changed_and_an_erasure_is_called_one(home_copy: Path, tmp_path: Path) -> None:
    home, folder = Home(home_copy), tmp_path / "more"
    folder.mkdir()
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo every hour.\n")
    runner.ingest(home, [str(folder)])
    assert last_reason(home) == "genret ingest: 1 document added"
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Bergen every hour.\n")
    (folder / "ferry.md").write_text("# The ferry\n\nIt waits for high tide.\n")
    runner.ingest(home, reason="genret watch")
    assert last_reason(home) == "genret watch: 1 document added, 1 changed"
    assert erase(home, "ferry.md")["left"] == []
    assert last_reason(home) == "genret erase: 1 document removed"
