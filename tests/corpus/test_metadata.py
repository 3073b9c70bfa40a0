"""Which attributes a corpus has, which of their values queries can name, and which are dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.corpus.metadata import date_attributes, detectable, is_date, is_name, is_url, profile
from genret_ops.errors import GenretError
from genret_ops.records import Document
from genret_ops.settings import RetrievalSettings

SUITED = RetrievalSettings()


def corpus(size: int = 12) -> list[Document]:
    return [
        Document(
            f"d{number}",
            "T",
            "text",
            {
                "source": ("Wired", "The Age", "Fortune")[number % 3],
                "kind": ("class", "function")[number % 2],
                "qualified_name": f"module.name{number}",
                "url": "https://news.example/",
                "published_at": f"2023-10-{number + 1:02}T08:00:00+00:00",
                "version": "3.11",
                "language": "English",
                "year": str(2000 + number % 2),
                "letter": "ab"[number % 2],
                "summary": ("long " * 40) + "ab"[number % 2],
            },
        )
        for number in range(size)
    ]


def test_a_profile_counts_documents_a_value() -> None:
    documents = [Document(str(n), "", "", {"b": "x" if n else "y", "a": "1"} if n < 3 else {}) for n in range(4)]
    value_counts = profile(documents)
    assert value_counts == {"a": {"1": 3}, "b": {"x": 2, "y": 1}}
    assert list(value_counts) == ["a", "b"]
    assert list(value_counts["b"]) == ["x", "y"]
    assert profile([]) == {}


def test_only_shared_names_are_detected() -> None:
    attributes = detectable(profile(corpus()), SUITED, 12)
    assert attributes == {"kind": {"class": 6, "function": 6}, "source": {"Fortune": 4, "The Age": 4, "Wired": 4}}


def test_attributes_with_too_many_values_are_left_out() -> None:
    value_counts = profile(corpus())
    assert "source" not in detectable(value_counts, RetrievalSettings(max_values=2), 12)
    assert "source" in detectable(value_counts, RetrievalSettings(max_values=3), 12)


def test_nearly_unique_attributes_are_left_out() -> None:
    values = [f"name {number}" for number in range(10)]
    value_counts = {"author": dict.fromkeys(values, 1)}
    assert detectable(value_counts, SUITED, 50) == {}
    value_counts["author"]["name 0"] = 3
    assert detectable(value_counts, SUITED, 50) == value_counts


def test_listed_attributes_are_taken_suited_or_not_and_no_others() -> None:
    attributes = detectable(profile(corpus()), RetrievalSettings(attributes=("qualified_name",), max_values=1), 12)
    assert attributes.keys() == {"qualified_name"}
    assert len(attributes["qualified_name"]) == 12


def test_a_listed_attribute_that_no_document_has_is_an_error() -> None:
    with pytest.raises(GenretError, match=r"names sauce, .* there are: kind, language"):
        detectable(profile(corpus()), RetrievalSettings(attributes=("kind", "sauce")), 12)


def test_date_attributes_may_hold_a_few_other_values() -> None:
    value_counts = {
        "day": {"2024-02-29": 20},
        "mostly": {"2024-01-01": 15, "2024-01-02": 4, "soon": 1},
        "half": {"2024-01-01": 9, "soon": 1},
        "number": {"20240101": 5},
    }
    assert date_attributes(value_counts) == ("day", "mostly")
    assert date_attributes(profile(corpus())) == ("published_at",)


@pytest.mark.parametrize("value", ["2023-10-01", "2023-10-01T08:00:00", "2023-10-01 08:00", "2023-10-01T08:00:00Z"])
def test_dates(value: str) -> None:
    assert is_date(value)
    assert not is_name(value)


@pytest.mark.parametrize("value", ["2023-13-01", "20231001", "2023", "2023-10-01 or so", "May 2023", ""])
def test_no_dates(value: str) -> None:
    assert not is_date(value)


@pytest.mark.parametrize("value", ["https://a.example/b?c", "www.a.example", "mailto:ada@a.example", "s3://bucket/key"])
def test_addresses(value: str) -> None:
    assert is_url(value)
    assert not is_name(value)


@pytest.mark.parametrize("value", ["see https://a.example", "C: the language", "www", "and/or"])
def test_no_addresses(value: str) -> None:
    assert not is_url(value)


@pytest.mark.parametrize("value", ["x", "", "12", "3.11.2", "1,000", "-", "x" * 81])
def test_no_names(value: str) -> None:
    assert not is_name(value)


@pytest.mark.parametrize("value", ["AP", "x" * 80, "20 Minuten", "Пресса", "朝日"])
def test_names(value: str) -> None:
    assert is_name(value)


@given(st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=1), st.text(max_size=4), max_size=3), max_size=20))
def test_detectable_values_are_names_of_the_profile(attributes: list[dict[str, str]]) -> None:
    documents = [Document(str(number), "", "", values) for number, values in enumerate(attributes)]
    value_counts = profile(documents)
    for attribute, values in detectable(value_counts, SUITED, len(documents)).items():
        assert all(value_counts[attribute][value] == count for value, count in values.items())
        assert all(is_name(value) and count < len(documents) for value, count in values.items())
    assert set(date_attributes(value_counts)) <= value_counts.keys()
