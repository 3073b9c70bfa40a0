"""What the rules read: headers, bylines, days, sources, places, names, patterns; each with the place that says so."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.extraction.extractor import Extractor, fault_of
from genret_ops.extraction.rules import proposals
from genret_ops.extraction.values import normalised
from genret_ops.records import Document, ExtractedValue
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

AUTHOR = ExtractedAttribute(name="author", type="person", labels=("Written by",))
MADE = ExtractedAttribute(name="made", type="date", labels=("Created",))
STATUS = ExtractedAttribute(name="status", type="category", values=("Final", "Draft"))
SOURCE = ExtractedAttribute(name="source", type="source")
LISTED = ExtractedAttribute(
    name="source", type="source", values=("The Wire", "Daily Bee | Honey News", "Zeta - Sport", "Zeta - Health")
)
PLACE = ExtractedAttribute(name="place", type="place")
TOPIC = ExtractedAttribute(name="topic", type="topic")
NAMES = ExtractedAttribute(name="names", type="entities")
CODE = ExtractedAttribute(name="code", pattern=r"\bcase (\w+-\d+)")
EVERY = (AUTHOR, MADE, STATUS, SOURCE, PLACE, TOPIC, NAMES, CODE)
PROSE = "\n\nIt rained all day, and the bees stayed in."


def read(text: str, attribute: ExtractedAttribute, least: int = 50) -> list[ExtractedValue]:
    extractor = Extractor(ExtractionSettings(confidence=least, attributes=(attribute,)), [])
    return extractor.values(Document("a", "", text))


CASES: list[tuple[ExtractedAttribute, str, str, str]] = [
    (AUTHOR, f"Title: Tea\nAuthor: Ann Lee <ann@example.org>,\n    Bo Ek{PROSE}", "Ann Lee, Bo Ek", "header"),
    (AUTHOR, f"**Written by:** Ann Lee\n**Status:** Final{PROSE}", "Ann Lee", "header"),
    (AUTHOR, f"By Ann Lee and Bo van Ek{PROSE}", "Ann Lee, Bo van Ek", "byline"),
    (AUTHOR, f"By Ann Lee, The Wire{PROSE}", "Ann Lee", "byline"),
    (AUTHOR, f"Ann Lee, The Wire{PROSE}", "Ann Lee", "signature"),
    (AUTHOR, f"It rained.{PROSE * 20}\n\nReported by Ann Lee", "Ann Lee", "byline"),
    (MADE, f"Title: Tea\nCreated: 05-Oct-2023{PROSE}", "2023-10-05", "header"),
    (MADE, f"Rain\nPublished on 5 October 2023{PROSE} On 1 May 2020 it did not.", "2023-10-05", "label"),
    (STATUS, f"Title: Tea\nStatus: final{PROSE}", "Final", "header"),
    (SOURCE, f"LISBON, Oct 5 (Newsroom) - It rained.{PROSE}", "Newsroom", "dateline"),
    (LISTED, f"It rained, people told the Daily Bee. The Wire said no.{PROSE}", "Daily Bee | Honey News", "mention"),
    (LISTED, f"A match. Zeta asked about sport and the sport of rain.{PROSE}", "Zeta - Sport", "mention"),
    (PLACE, f"LISBON, Oct 5 (Newsroom) - It rained.{PROSE}", "LISBON", "dateline"),
    (CODE, f"They argued over case AB-12, not case CD-13.{PROSE}", "AB-12", "pattern"),
]


@pytest.mark.parametrize(("attribute", "text", "value", "by"), CASES)
def test_a_value_is_read_with_its_evidence(attribute: ExtractedAttribute, text: str, value: str, by: str) -> None:
    (read_value,) = read(text, attribute)
    assert (read_value.value, read_value.by) == (value, by)
    assert normalised(text[read_value.start : read_value.end], attribute) == value or by == "mention"
    assert fault_of(read_value, text, attribute) == ""


NOTHING: list[tuple[ExtractedAttribute, str]] = [
    (AUTHOR, f"It stood by the River Tay{PROSE}"),
    (AUTHOR, f"{PROSE * 30}\nBy Ann Lee\n{PROSE * 30}"),
    (AUTHOR, "\n" * 30 + "def book(\n    author: str\n)" + PROSE),
    (MADE, f"On 1 May 2020 it did not rain.{PROSE}"),
    (STATUS, f"Title: Tea\nStatus: unclear{PROSE}"),
    (LISTED, f"It was a live wire.{PROSE}"),
    (SOURCE, f"She told Parliament.{PROSE}"),
]


@pytest.mark.parametrize(("attribute", "text"), NOTHING)
def test_what_only_looks_like_a_value_is_none(attribute: ExtractedAttribute, text: str) -> None:
    assert read(text, attribute) == []


def test_a_text_with_headers_that_leaves_an_attribute_out_is_believed() -> None:
    prose = "They argued over case AB-12."
    assert [value.confidence for value in read(prose, CODE)] == [70]
    assert read(f"Title: Tea\nStatus: Final\n\n{prose}", CODE) == []
    assert [value.value for value in read(f"Title: Tea\nCode: CD-13\n\n{prose}", CODE)] == ["CD-13"]


def test_a_text_has_several_names() -> None:
    text = "We met Ann Lee of the Daily Bee. Later Ann Lee and the Daily Bee spoke; so did Bo Ek."
    assert [value.value for value in read(text, NAMES)] == ["Ann Lee", "Daily Bee"]


def test_confidence_below_the_setting_leaves_a_value_out() -> None:
    text = f"Ann Lee, The Wire{PROSE}"
    (value,) = read(text, AUTHOR)
    assert read(text, AUTHOR, value.confidence) == [value]
    assert read(text, AUTHOR, value.confidence + 1) == []


ALPHABET = "AaBb by,.:-()\n\t©5 2023-10/OctoberPublished told Status Final Author "


@given(st.text(ALPHABET, max_size=120) | st.lists(st.sampled_from([*ALPHABET.split(" "), "\n", ": "]), max_size=30))
def test_evidence_always_says_the_value(pieces: str | Sequence[str]) -> None:
    text = pieces if isinstance(pieces, str) else " ".join(pieces)
    for attribute in (AUTHOR, MADE, STATUS, SOURCE, PLACE, NAMES, CODE):
        for values in proposals(text, attribute):
            for value in values:
                assert normalised(text[value.start : value.end], attribute) == value.value
                assert normalised(value.value, attribute) == value.value
                assert 0 <= value.confidence <= 100


def test_a_name_is_not_cut_where_the_search_ends() -> None:
    author = ExtractedAttribute(name="author", type="person")
    text = f"{'x' * 386}\nBy Ann Leeson\n{'y' * 900}"
    extractor = Extractor(ExtractionSettings(attributes=(author,)), [])
    assert [value.value for value in extractor.values(Document("a", "", text))] in ([], ["Ann Leeson"])
