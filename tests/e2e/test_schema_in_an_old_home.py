"""A home made by an earlier version takes a schema: attributes are read from its texts, and nothing else changes."""

from pathlib import Path

from assets.lib import runner
from genret_ops.corpus.extracted import TABLE, extracted_of
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.verification import SAME, check
from genret_ops.maintenance.backup import unpack
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.summaries import audit
from tests.support.searching import everything

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "home-8d2fb8b.tar.xz"
SCHEMA = '\n[[extraction.attributes]]\nname = "author"\ntype = "person"\n'


def test_attributes_are_read_and_everything_stays(tmp_path: Path) -> None:
    unpack(ARCHIVE, tmp_path)
    home, documents = Home(tmp_path / "home"), tmp_path / "documents"
    (documents / "ferry.md").write_text("# The pier\n\nBy Ann Lee\n\nThe ferry leaves at noon in winter.\n")
    before = runner.ingest(home, [str(documents)], only=True)
    assert before.record.extraction == "" and TABLE not in before.record.tables
    known = everything(open_release(home)[1])
    with (home.path / "genret.toml").open("a") as file:
        file.write(SCHEMA)
    home = Home(home.path)
    after = runner.ingest(home)
    assert after.delta and set(after.record.changes.values()) == {0}, "no document has changed"
    values = extracted_of(home.store.read(TABLE, after.record.tables[TABLE]))
    assert [(value.doc_id, value.value) for value in values] == [("ferry.md", "Ann Lee")]
    release, retriever = open_release(home)
    assert everything(retriever) == known
    answer = retriever.search("when does the ferry leave in winter", 1)
    assert answer.hits[0].extracted == ("author",)
    lineage = answer_lineage(home, release, retriever, answer, 1)
    assert {entry["state"] for entry in check(home, lineage)} == {SAME}
    assert audit(home.registry, files=True)["problems"] == []
