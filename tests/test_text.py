"""Words for people: counts agree with their nouns, figures are rounded, and long lists are cut short."""

import doctest

from genret_ops import text


def test_the_examples_hold() -> None:
    results = doctest.testmod(text)
    assert results.attempted == 6 and not results.failed


def test_a_list_that_fits_is_whole() -> None:
    assert text.listed(["a", "b"]) == "a, b"
    assert text.listed([]) == ""


def test_durations_are_said_as_people_say_them() -> None:
    assert [text.duration(seconds) for seconds in (0.2, 42, 59.4, 89, 170, 3600, 7300)] == [
        "1 s",
        "42 s",
        "59 s",
        "1 min",
        "3 min",
        "1 h 0 min",
        "2 h 2 min",
    ]
