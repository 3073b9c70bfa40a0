"""The search for what is left of a document: by its text, and by its id where ids stand."""

import json
import shutil
from pathlib import Path

from genret_ops.corpus.labels import add_labels
from genret_ops.ingestion.inbox import Inbox
from genret_ops.maintenance.erasure_scan import Traces, pieces, plan_erasure
from genret_ops.promotion.judgments import Judgment, add_feedback
from genret_ops.records import Document
from genret_ops.registry.home import Home


def test_an_id_that_is_a_word_like_others_is_looked_for_where_ids_stand(ingested_home: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    ticket = Inbox(home).post(Document("kettle", "", "It whistles."), "a test").ticket
    posted = Inbox(home).file("kettle").relative_to(home.path)
    add_labels(home.path, [("what whistles", "kettle")])
    add_feedback(home.path, Judgment.now("what whistles", "kettle", True, "a test", None))
    traces = Traces(home, plan_erasure(home, "kettle"))
    by_id = [place.removesuffix(", by its id") for place in traces.search().left if place.endswith(", by its id")]
    places = ["commits/delta-00000.places", str(posted), f"tickets/{ticket}.json", "labels", "judgments of users"]
    assert not traces.by_name and by_id == places


def test_pieces_stand_in_the_text_and_in_json_of_it() -> None:
    text = 'He said: "the   safe is\nopen at night, and nobody knows why it is so" and left\\for good, ' + "é" * 130
    excerpts = pieces(text)
    assert excerpts and all(
        piece in text and json.dumps(piece, ensure_ascii=False)[1:-1] == piece for piece in excerpts
    )
    assert "open at night, and nobody knows why it is so" in excerpts and "é" * 60 in excerpts
