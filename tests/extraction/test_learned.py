"""What other documents teach: a closed list from those whose source gave a value, and the keyphrase of a text."""

import pytest

from genret_ops.extraction.extractor import Extractor
from genret_ops.extraction.learned import ClosedList
from genret_ops.records import Document
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

TEAM = ExtractedAttribute(name="team", type="category")
WORDS = {"bees": "hive honey smoke queen", "ships": "harbour ferry anchor tide"}
TAUGHT = [
    Document(
        f"{team}-{number}", "", f"{words} and more about {words.split()[number % 4]} number{number}", {"team": team}
    )
    for team, words in WORDS.items()
    for number in range(12)
]


@pytest.mark.parametrize(
    ("team", "text"),
    [
        ("ships", "The anchor held while the ferry waited for the tide."),
        ("bees", "Smoke calms the hive, and the queen gives no honey."),
    ],
)
def test_a_value_is_learned_from_documents_that_carry_it(team: str, text: str) -> None:
    extractor = Extractor(ExtractionSettings(attributes=(TEAM,)), TAUGHT)
    (value,) = extractor.values(Document("new", "", text))
    assert (value.value, value.by) == (team, "learned")
    assert text[value.start : value.end].casefold() in WORDS[team].split()


def test_what_is_given_is_not_extracted() -> None:
    extractor = Extractor(ExtractionSettings(attributes=(TEAM,)), TAUGHT)
    assert extractor.values(TAUGHT[0]) == []


def test_what_was_extracted_teaches_nothing() -> None:
    guessed = [Document(each.doc_id, "", each.text, each.metadata, extracted={"team": 60}) for each in TAUGHT]
    extractor = Extractor(ExtractionSettings(attributes=(TEAM,)), guessed)
    assert extractor.values(Document("new", "", "The anchor held.")) == []


def test_values_outside_the_list_are_not_learned() -> None:
    closed = TEAM.model_copy(update={"values": ("bees", "mills")})
    extractor = Extractor(ExtractionSettings(attributes=(closed,)), TAUGHT)
    assert extractor.values(Document("new", "", "The anchor held while the ferry waited.")) == []


def test_too_few_examples_teach_nothing() -> None:
    assert ClosedList.of({document.text: document.metadata["team"] for document in TAUGHT[:12]}) is None
    assert ClosedList.of({document.text: document.metadata["team"] for document in TAUGHT[4:20]}) is None
    assert ClosedList.of({document.text: document.doc_id for document in TAUGHT}) is None, "no value is shared"


def test_a_topic_is_the_phrase_that_stands_out() -> None:
    topic = ExtractedAttribute(name="topic", type="topic")
    text = "The Varroa mite is back. A varroa mite harms the honey bees, and a Varroa mite is small."
    extractor = Extractor(ExtractionSettings(attributes=(topic,)), [*TAUGHT, Document("new", "", text)])
    (value,) = extractor.values(Document("new", "", text))
    assert value.value in ("varroa mite", "varroa", "mite")
    assert text[value.start : value.end].casefold() == value.value


def test_texts_without_a_word_in_common_teach_nothing_and_stop_nothing() -> None:
    apart = {f"word{number}" + "x" * number: ("bees", "ships")[number % 2] for number in range(40)}
    assert ClosedList.of(apart) is None
    topic = ExtractionSettings(attributes=(ExtractedAttribute(name="about", type="topic"),))
    documents = [Document(str(number), "", "it was what it is") for number in range(5)]
    assert Extractor(topic, documents).values(documents[0]) == []
