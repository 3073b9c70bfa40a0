"""Dates in texts: every usual form gives its ISO day, its place says the same, and doubtful ones are none."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.dates import find_dates

FORMS = (
    "{0:%Y-%m-%d}",
    "{0:%Y/%m/%d}",
    "{0:%Y.%m.%d}",
    "{0:%d.%m.%Y}",
    "{0:%d-%b-%Y}",
    "{0.day} {0:%B} {0.year}",
    "{0.day}th of {0:%b}. {0.year}",
    "{0:%B} {0.day}, {0.year}",
    "{0:%b}. {0.day}, {0.year}",
    "{0:%a}, {0:%d} {0:%b} {0.year} 10:30:00 GMT",
    "{0:%Y-%m-%d}T10:30:00+00:00",
)
DAYS = st.dates(date(1000, 1, 1), date(9999, 12, 31))


@given(DAYS, st.sampled_from(FORMS))
def test_every_form_gives_the_day(day: date, form: str) -> None:
    text = f"It began on {form.format(day)}, they say."
    ((iso, start, end),) = find_dates(text)
    assert iso == day.isoformat()
    assert find_dates(text[start:end]) == [(iso, 0, end - start)]


@given(st.lists(st.tuples(DAYS, st.sampled_from(FORMS), st.text(" ab,.-/:0123\n", max_size=6)), max_size=4))
def test_what_stands_at_a_place_is_the_day_of_the_place(pieces: list[tuple[date, str, str]]) -> None:
    text = "".join(f"{form.format(day)}{between}" for day, form, between in pieces)
    taken = 0
    for day, start, end in find_dates(text):
        assert taken <= start < end
        assert date.fromisoformat(day)
        assert day in [each for each, _, _ in find_dates(text[start:end])]
        taken = end


@pytest.mark.parametrize("text", ["03/04/2023", "31 February 2023", "2023-13-01", "Oct. 5", "1.2.3.2023", "May 2023"])
def test_a_date_that_could_be_two_or_is_none_is_none(text: str) -> None:
    assert find_dates(text) == []


def test_a_day_above_twelve_says_which_is_the_month() -> None:
    assert [day for day, _, _ in find_dates("25/12/2023 and 12/25/2023, 5/5/2023")] == [
        "2023-12-25",
        "2023-12-25",
        "2023-05-05",
    ]
