"""The field list at the head of an RST text becomes attributes, and nothing else does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.ingestion.front_matter import split_rst_fields
from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document

FIELDS = """:Author: Ann Lee,
   Ben Ray
:Date: 2024-01-02
:Release Date: 2024-02-03
:Keywords:
   - water
   - [bold]air[/bold]
:Topic: one
:topic: two
:Empty:
"""


@pytest.mark.parametrize(
    "head", ["", "Towers\n======\n\n", ".. _towers:\n\n======\nTowers\n======\n\n", ".. old\n   note\n\n"]
)
def test_fields_at_the_head_become_attributes_and_leave_the_text(head: str) -> None:
    attributes, body = split_rst_fields(f"{head}{FIELDS}\nAbstract\n--------\n\nText.\n\n:Later: stays\n")
    assert attributes == {
        "author": "Ann Lee, Ben Ray",
        "date": "2024-01-02",
        "release_date": "2024-02-03",
        "keywords": "water, [bold]air[/bold]",
        "topic": "one, two",
    }
    assert body == f"{head}Abstract\n--------\n\nText.\n\n:Later: stays\n"


def test_abstract_and_dedication_are_text() -> None:
    attributes, body = split_rst_fields(":Abstract: How towers\n   cool.\n:Author: Ann\n:Dedication: To Bo.\n\nText.")
    assert attributes == {"author": "Ann"}
    assert body == "How towers\ncool.\n\nTo Bo.\n\nText."


@pytest.mark.parametrize(
    "text",
    [
        "Text.\n\n:Author: Ann\n\nMore.",
        ":ref:`towers` are tall.\n\nText.",
        ":Author: Ann\nand this line is no field\n\nText.",
        ":Author: Ann\n:Date: 2024-01-02\n",
        "Towers\n======\n\nAir\n---\n:param x: how much\n\nText.",
        ".. note::\n\n   :Author: Ann\n\nText.",
        ": no name\n\nText.",
        ":" + "a " * 30_000,
        ":Author: Ann\n" + "   more\n" * 30_000 + "\nText.",
    ],
)
def test_what_is_no_field_list_at_the_head_stays_text(text: str) -> None:
    assert split_rst_fields(text) == ({}, text)


@given(st.text(st.sampled_from(":aB -=\n.`"), max_size=60))
def test_no_text_is_lost_but_the_fields(text: str) -> None:
    attributes, body = split_rst_fields(text)
    assert body == text or len(body) < len(text)
    assert body.strip() or not text.strip()
    assert all(value.strip() for value in attributes.values())


def test_an_rst_file_has_its_title_from_its_fields_and_only_rst_has_fields(tmp_path: Path) -> None:
    text = ":Title: Cooling\n:Author: Ann\n\nTowers\n======\n\nText."
    for name in ("a.rst", "b.txt", "c.md", "d.rst"):
        (tmp_path / name).write_text(text if name != "d.rst" else f"Title: Tea\n\n{text}")
    documents = {item.doc_id: item for item in read_source(str(tmp_path)) if isinstance(item, Document)}
    assert (documents["a.rst"].title, documents["a.rst"].metadata) == ("Cooling", {"author": "Ann"})
    assert documents["a.rst"].text == "Towers\n======\n\nText."
    assert (documents["b.txt"].text, documents["c.md"].text) == (text, text)
    assert (documents["d.rst"].title, documents["d.rst"].metadata, documents["d.rst"].text) == ("Tea", {}, text)
