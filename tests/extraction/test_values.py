"""The one form of a value: what is normalised stays as it is, and a closed list knows its values by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.extraction.values import names_of, normalised
from genret_ops.settings import ExtractedAttribute

PERSON = ExtractedAttribute(name="author", type="person")


@pytest.mark.parametrize("type", ["date", "person", "source", "category", "place", "topic", "entities", "text"])
@given(text=st.text("Ann Lee <a@b>;&,and (x)5-Oct-2023\n|“", max_size=60))
def test_what_is_normalised_stays_as_it_is(type: str, text: str) -> None:
    attribute = ExtractedAttribute.model_validate({"name": "a", "type": type})
    value = normalised(text, attribute)
    assert value is None or normalised(value, attribute) == value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ann Lee <ann@example.org>, Bo Ek", "Ann Lee, Bo Ek"),
        ("ann at example.org (Ann Lee); Bo Ek & Cy Dee", "Bo Ek, Cy Dee"),
        ("Ann Lee and Bo Ek, and Cy Dee", "Ann Lee, Bo Ek, Cy Dee"),
        ("Ann Lee,\n   Ann Lee", "Ann Lee"),
        ("<ann@example.org>", None),
        ("Ann Lee <<ann>>, (((Bo) Ek)", "Ann Lee"),
    ],
)
def test_persons_lose_their_addresses(text: str, names: str | None) -> None:
    assert normalised(text, PERSON) == names


def test_a_closed_list_knows_its_values_by_their_names() -> None:
    names = names_of(["CBSSports.com", "Zeta - Sport", "Zeta - Health"])
    assert names["cbssports"] == ["CBSSports.com"]
    assert names["zeta"] == ["Zeta - Sport", "Zeta - Health"]
    source = ExtractedAttribute(name="source", type="source", values=("CBSSports.com", "Zeta - Sport", "Zeta - Health"))
    assert normalised("cbssports", source) == "CBSSports.com"
    assert normalised("ZETA - SPORT", source) == "Zeta - Sport"
    assert normalised("Zeta", source) is None, "it may be either"
    assert normalised("Eta", source) is None
