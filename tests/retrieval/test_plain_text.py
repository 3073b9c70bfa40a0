"""Snippets: markup is rendered away, and neither a word nor an operator goes with it."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.retrieval.explain import plain_text

RENDERED = [
    # Headings and the lines that mark them
    ("# Title", "Title"),
    ("### Deep title ###\ntext", "Deep title\ntext"),
    ("## About C#", "About C#"),
    ("Title\n=====\n\ntext", "Title\n\ntext"),
    ("=====\nTitle\n=====\ntext", "Title\n\ntext"),
    ("Usage\n~~~~~\ntext", "Usage\n\ntext"),
    ("one\n\n---\n\ntwo", "one\n\ntwo"),
    # Emphasis
    ("**bold** and *italic* words", "bold and italic words"),
    ("***both***, ~~gone~~", "both, gone"),
    ("**bold with *italic* inside**", "bold with italic inside"),
    ("*over\ntwo lines*", "over\ntwo lines"),
    ('(*Note*: "**quoted**")', '(Note: "quoted")'),
    ("_several words_ and __two more__.", "several words and two more."),
    # Code
    ("call `f(x)` or ``g(y)``", "call f(x) or g(y)"),
    ("```\nx = 1\n```", "x = 1"),
    ("before\n```python\nx = 1\n    y = 2\n```\nafter", "before\npython\nx = 1\n    y = 2\n\nafter"),
    # Links and images
    ("[Home](/)[Docs](/docs)", "Home Docs"),
    ('see the [guide](https://example.org/a_(b) "Title of it").', "see the guide."),
    ("[two](<x y.html>) [three]()", "two three"),
    ("![A picture](a.png) shows it", "A picture shows it"),
    ("[![badge](b.svg)](https://example.org)", "badge"),
    ("[a [nested] text](/x)", "a [nested] text"),
    ("at <https://example.org/a_b>", "at https://example.org/a_b"),
    # Tables
    ("| a | b |\n| --- | :---: |\n| 1 | 2 |", "a · b\n1 · 2"),
    ("|a|b|\n|---|---|\n|1||\ntext", "a · b\n1\ntext"),
    ("a | b\n--- | ---\n1 | 2", "a · b\n1 · 2"),
    ("b | c |\n| 1 | 2 |\n| 3 | x", "b · c\n1 · 2\n3 · x"),
    ("+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+", "a · b\n\n1 · 2"),
    ("====  ====\nA     B\n====  ====", "A     B"),
    # reStructuredText
    (":mod:`json` and :py:func:`~json.dumps`", "json and json.dumps"),
    (":ref:`the guide <guide-label>` and :class:`!Foo`", "the guide and Foo"),
    ("`Python <https://example.org>`_ and `name`__", "Python and name"),
    # HTML
    ("<p>one</p><p>two<br/>three</p>", "one\n\ntwo\nthree"),
    ("a <b>bold</b> <a href='/x' class=\"y\">link</a> H<sub>2</sub>O", "a bold link H2O"),
    ("<title>Name</title><!-- a note -->text", "Name\n\ntext"),
    # Escapes of converted pages
    (r"a\_b \* c, f(\*args, \*\*kwargs)", "a_b * c, f(*args, **kwargs)"),
    # White space
    ("one  \n\n\n\ntwo\n", "one\n\ntwo"),
]
KEPT = [
    "",
    "C# and F# at #5, #!/bin/sh",
    "f(*args, **kwargs)",
    "zip(*a) * min(*b)",
    "max(*a), x*(y)",
    "a * b * c = 2*3*4, 2**x**3, a**-b",
    "src/*.py tests/*.py **/*.md",
    "a_b, __init__, _value_ and _name_, _private, f(_x, y_)",
    ":date: 2023-10-05",
    "x[0](y), handlers[name](event), f(x)[0](y)",
    "[1](2, 3), x = [a, b]",
    "int | None, a || b, |x| + |y| = 3",
    "grep x | sort |\n  uniq",
    "a < b and c > d, 1<b>2, Vec<u8>, <locals>, <class 'int'>",
    "usage: copy <title> <head> <b>",
    "3 - 2 -- or --all, ~x, a ~ b",
    ">>> x = 1\n...\n>>> 'it''s'",
    "* one\n* two\n- three\n1. four",
    "    indented = True",
    "it's `half",
    r"r'\*' matches an asterisk",
    "tel. 555-1234, 50 % of 1,000.5 €",
    "&lt; stays &amp;",
]


@pytest.mark.parametrize(("marked", "plain"), RENDERED)
def test_markup_is_rendered_away(marked: str, plain: str) -> None:
    assert plain_text(marked) == plain
    assert plain_text(plain) == plain


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_markup_stays(text: str) -> None:
    assert plain_text(text) == text


MARKS = [
    *"*_`~#|=-+:.[]()<>!\\\"' \n\t&/",
    *("**", "```", "--- ", "| --- |", "](", "](/a)", "![", " \n\n", "`_", ">`_", ":mod:`", "~~", "# "),
    *("<b>", "</b>", "<p>", "<a href=x>", "<title>", "<!--", "-->", "https://a.b"),
]
PIECES = st.one_of(st.sampled_from(MARKS), st.text(alphabet="abcé1 ", max_size=6), st.text(max_size=3))
texts = st.lists(PIECES, max_size=30).map("".join)


@settings(max_examples=300)
@given(texts)
def test_it_never_fails_and_once_is_enough(text: str) -> None:
    plain = plain_text(text)
    assert plain_text(plain) == plain
    assert len(re.findall(r"[*_`#|<>\[\]()~]", plain)) <= len(re.findall(r"[*_`#|<>\[\]()~]", text))


letters = re.compile(r"[^\W_]")
"""Marks may stand inside a word, so letters are compared."""


@settings(max_examples=300)
@given(texts.filter(lambda text: not re.search(r"\]\(|<|:\w*:|:[\w.+-]+:`", text)))
def test_without_links_tags_and_roles_no_letter_goes(text: str) -> None:
    assert letters.findall(plain_text(text)) == letters.findall(text)


@given(st.lists(st.text(alphabet="abcdé1C", min_size=1, max_size=5), min_size=1, max_size=6), st.data())
def test_words_in_markup_keep_their_order(words: list[str], data: st.DataObject) -> None:
    marks = st.sampled_from(
        [
            "{}",
            "*{}*",
            "**{}**",
            "`{}`",
            "[{}](/target)",
            "![{}](t.png)",
            "<b>{}</b>",
            ":mod:`{}`",
            "\n# {}\n",
            "| {} |",
        ]
    )
    marked = " ".join(data.draw(marks).format(word) for word in words)
    assert re.findall(r"\w+", plain_text(marked)) == words


@pytest.mark.parametrize(
    "piece", ["*", "[", "[a](", "`", "<b>", "| a ", "_a b", "<p x='", "![", "\\*", "*_", "#", "<!--"]
)
def test_a_page_of_one_mark_takes_no_time(piece: str) -> None:
    started = time.perf_counter()
    plain_text(piece * (4000 // len(piece)))
    assert time.perf_counter() - started < 2
