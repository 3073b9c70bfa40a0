"""Words for people: counts agree with their nouns, and long lists are cut short."""

import doctest

from genret_ops import text


def test_the_examples_hold() -> None:
    results = doctest.testmod(text)
    assert results.attempted == 2 and not results.failed


def test_a_list_that_fits_is_whole() -> None:
    assert text.listed(["a", "b"]) == "a, b"
    assert text.listed([]) == ""
