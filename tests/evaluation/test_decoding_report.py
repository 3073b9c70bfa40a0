"""The page of a question being decoded: answers, the tree of beams, every step with its dead branches, the filter."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from genret_ops.evaluation.decoding_trace import (
    CROWDED_OUT,
    HOPELESS,
    KEPT,
    Beginning,
    DecodingTrace,
    NextToken,
    Refused,
    trace,
)
from genret_ops.evaluation.reports.decoding_report import Named, chance, write_page
from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.settings import CausalSettings
from tests.support.tiny_causal import TinyCorpus, write_tiny_model

NAMES = Named({0: "bees.md", 1: "smoke<&>.md", 2: "lamp.md"}, {0: "bees, calm", 1: "smoke", 2: "lamp, oil"})
VOID = {"meta", "br"}


def beginning(
    text: str, parent: int, probability: float, *following: NextToken, completes: int | None = None
) -> Beginning:
    """A beginning to whose dead branches the model gives 0.25, 0.2 of it to the end."""
    dead = Refused(0.25, (NextToken("", 0.2, ends=True), NextToken(" the<", 0.03)))
    return Beginning(
        text, parent, probability, following, completes, 0.5, dead, Refused(0.125, (NextToken("moth", 0.12),))
    )


@pytest.fixture
def traced() -> DecodingTrace:
    """ "smoke" forks from "bees", which goes on to ", calm"; "lamp" falls out after the second step."""
    start = beginning(
        "", 0, 1.0, NextToken("bees", 0.4, KEPT), NextToken("smoke", 0.2, KEPT), NextToken("lamp", 0.1, KEPT)
    )
    second = (
        beginning("bees", 0, 0.4, NextToken(",", 0.75, KEPT)),
        beginning("smoke", 0, 0.2, completes=1),
        beginning("lamp", 0, 0.1, NextToken(", oil", 0.5, CROWDED_OUT), NextToken(", wick", 0.01, HOPELESS)),
    )
    third = (beginning("bees,", 0, 0.3, NextToken(" calm", 0.5, KEPT)),)
    last = (beginning("bees, calm", 0, 0.15, completes=0),)
    answer = ((1, float(np.log(0.1))), (0, float(np.log(0.075))))
    return DecodingTrace("who calms <b>bees</b>?", 3, 3, 3, ((start,), second, third, last), answer)


class Page(HTMLParser):
    """Checks that every tag is closed in its place, and gathers texts and references."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open, self.references, self.words = list[str](), list[str](), list[str]()
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe"}
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture
def page(traced: DecodingTrace, tmp_path: Path) -> Page:
    write_page({"": traced, "team=Red": traced}, NAMES, "bees.md", {"model": "tiny"}, tmp_path / "page.html")
    return Page(tmp_path / "page.html")


def section(page: Page, start: str, stop: str) -> str:
    return page.text.partition(start)[2].partition(stop)[0]


def test_it_holds_all_it_shows_and_escapes_what_came_from_outside(page: Page) -> None:
    assert page.references == [] and "url(" not in page.source and "@import" not in page.source
    assert "who calms <b>bees</b>?" in page.text and "<b>bees</b>" not in page.source
    assert "smoke<&>.md" in page.text and "the<" in page.text


def test_the_answer_is_listed_with_its_identifiers_and_the_right_document_has_a_tick(page: Page) -> None:
    answer = section(page, "What was written", "The beams")
    assert re.search(r"1\. smoke<&>\.md 10 % smoke 2\. bees\.md ✓ 7\.5 % bees, calm", answer)


def test_a_branch_is_what_was_written_without_a_fork(page: Page) -> None:
    tree = section(page, "The beams", "Step by step")
    assert "bees, calm 15 % 2. bees.md 7.5 %" in tree
    assert "smoke 20 % 1. smoke<&>.md 10 %" in tree
    assert "lamp 10 %, fell out in step 2" in tree
    assert page.source.count('class="lost"') == 2  # one in each of the two searches


def test_a_step_shows_what_may_follow_with_its_fate_and_what_is_dead(page: Page) -> None:
    steps = section(page, "Step 1:", "With the filter")
    assert "1 beginning, 3 ways on, 3 kept, 25 % dead" in steps
    assert "Step 2: 3 beginnings, 3 ways on, 1 kept, 1 identifier complete, 25 % dead" in steps
    assert "25 % end 20 % the< 3 %" in steps
    for fate in ("kept", "crowded-out", "hopeless"):
        assert f'<span class="token {fate}">' in page.source


def test_what_a_filter_closes_is_shown_where_there_is_one(page: Page) -> None:
    before, after = page.text.split("With the filter team=Red")
    assert "Closed by the filter" not in before and "moth 12 %" not in before
    assert "Closed by the filter" in after and "12 % moth 12 %" in after


def test_many_ways_on_are_counted_and_what_stays_is_always_named(tmp_path: Path) -> None:
    ways = [NextToken(f"way{n}", 0.01, KEPT if n == 30 else CROWDED_OUT) for n in range(40)]
    steps = ((beginning("", 0, 1.0, *ways),), (beginning("way30", 0, 0.01, completes=2),))
    traced = DecodingTrace("q", 1, 40, 40, steps, ((2, -1.0),))
    write_page({"": traced}, NAMES, "", {}, tmp_path / "page.html")
    text = Page(tmp_path / "page.html").text
    assert "way5 1 %" in text and "way30 1 %" in text and "way6 " not in text
    assert "and 33 others, 33 %" in text


def test_equal_traces_give_equal_bytes_and_a_real_search_has_a_page(
    made_once: Callable[[str, Callable[[Path], None]], Path], tmp_path: Path
) -> None:
    folder, corpus = made_once("tiny-causal", write_tiny_model), TinyCorpus.of(40)
    rows = corpus.identifiers(folder)
    model = CausalModel.load(CausalSettings(model=str(folder), prompt_tokens=32))
    names = Named(dict(enumerate(corpus.texts)), dict(enumerate(rows["identifier"].to_pylist())))
    for name in ("a.html", "b.html"):
        traced = trace(model, "baker kettle", WritableDocids.of(rows), np.arange(40), 4, 4)
        write_page({"": traced}, names, "", {}, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    text = Page(tmp_path / "a.html").text
    assert all(f"{rank}. {corpus.texts[docid]}" in text for rank, (docid, _) in enumerate(traced.answer, 1))


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (1.0, "100 %"),
        (0.4321, "43 %"),
        (0.0999, "10 %"),
        (0.0421, "4.2 %"),
        (0.00421, "0.42 %"),
        (2.5e-5, "1 in 40,000"),
        (2.54e-12, "2.5 · 10⁻¹²"),
        (0.0, "0 %"),
    ],
)
def test_a_probability_has_two_digits_that_count(probability: float, text: str) -> None:
    assert chance(probability) == text
