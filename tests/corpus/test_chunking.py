"""Passages: nothing is lost, nothing too long, and an edit renews only what is around it."""

import random
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genret_ops.corpus.chunking import cut_document, is_heading, sections, sentences
from genret_ops.modeling.encoder import token_count
from genret_ops.records import Document, Occurrence, Passage
from genret_ops.settings import CorpusSettings, ModelSettings

SMALL = CorpusSettings(max_tokens=40, max_sentence_tokens=16)


def words(text: str) -> int:
    """A tokenizer that splits at white space."""
    return len(text.split())


def characters(text: str) -> int:
    """A tokenizer of single letters that, as an encoder's does, has no token for some characters."""
    return sum(not letter.isspace() and letter != "\u200b" for letter in text)


def dear_at_the_start(text: str) -> int:
    """A tokenizer of words that, as byte-level BPE does, spends more on one that no space precedes."""
    return words(text) + (text[:1].strip() != "")


def cut(text: str, corpus: CorpusSettings = SMALL) -> list[tuple[Passage, Occurrence]]:
    return cut_document(Document("d", "T", text), corpus, words)


def ids(text: str, corpus: CorpusSettings = SMALL) -> list[str]:
    return [passage.passage_id for passage, _ in cut(text, corpus)]


def solid(text: str) -> str:
    return "".join(text.split())


def sentence(rng: random.Random, shortest: int = 5, longest: int = 14) -> str:
    made = (
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(rng.randint(shortest, longest))
    )
    return " ".join(made).capitalize() + "."


def prose(rng: random.Random, count: int) -> str:
    return " ".join(sentence(rng) for _ in range(count))


ALPHABET = "ab Cd.!?\"')]”’。？\n\t#=-\u00a0\u200b\u2028é字"
MESSY = st.lists(
    st.one_of(
        st.text(ALPHABET, max_size=60),
        st.text(max_size=30),
        st.integers(150, 900).map(lambda size: "x" * size),
        st.sampled_from(['"Stop." He said so.', "\n\n", "\n# One\n", "\nTwo\n===\n", "= ", "....", "A. B! (C.) D?"]),
    ),
    max_size=12,
).map("".join)


@given(MESSY)
@example('He said "Stop." Then he left.')
@example("Über “alles.” (So.) “Ja.”")
def test_no_character_is_lost_or_moved(text: str) -> None:
    passages = cut(text)
    assert solid("".join(passage.text for passage, _ in passages)) == solid(text)
    assert solid("".join(piece for passage, _ in passages for piece in passage.sentences)) == solid(text)
    assert [occurrence.ordinal for _, occurrence in passages] == list(range(len(passages)))


@given(MESSY)
@example("\u200b" + "x" * 100)
def test_no_character_is_lost_that_the_tokenizer_does_not_know(text: str) -> None:
    passages = cut_document(Document("d", "T", text), SMALL, characters)
    assert solid("".join(passage.text for passage, _ in passages)) == solid(text)


@given(MESSY)
def test_passages_and_sentences_stay_within_their_tokens(text: str) -> None:
    for passage, _ in cut(text):
        assert words(passage.text) <= SMALL.max_tokens
        assert all(words(piece) <= SMALL.max_sentence_tokens for piece in passage.sentences)


@settings(max_examples=40)
@given(MESSY)
@example("unbelievablyentanglednesses" * 40)
@example("." * 700 + "x" * 50 + ",;" * 300)
@example("字" * 900)
def test_the_encoder_s_own_tokens_are_within_bounds_too(text: str) -> None:
    count = token_count(ModelSettings().encoder)
    for passage, _ in cut_document(Document("d", "T", text), SMALL, count):
        assert count(passage.text) <= SMALL.max_tokens
        assert all(count(piece) <= SMALL.max_sentence_tokens for piece in passage.sentences)


@given(MESSY)
@example("a few words without an end " * 40)
def test_a_word_that_costs_more_where_a_piece_begins_is_within_bounds_too(text: str) -> None:
    for passage, _ in cut_document(Document("d", "T", text), SMALL, dear_at_the_start):
        lengths = [dear_at_the_start(piece) for piece in passage.sentences]
        assert max(lengths) <= SMALL.max_sentence_tokens and sum(lengths) <= SMALL.max_tokens


def test_sentences_keep_closing_quotes_and_know_their_paragraphs() -> None:
    assert sentences('He said "Stop." Then (he left.) Now.\n\nNext one.') == [
        ('He said "Stop."', True),
        ("Then (he left.)", False),
        ("Now.", False),
        ("Next one.", True),
    ]


def test_sections_bound_passages() -> None:
    text = "Before all.\n\n# One\n\nFirst.\n\nTwo\n===\n\nSecond.\n\n# Three\n## Four\n\n### Five\n\nThird."
    passages = cut(text)
    assert [(occurrence.section, passage.sentences[-1]) for passage, occurrence in passages] == [
        ("", "Before all."),
        ("One", "First."),
        ("Two", "Second."),
        ("Five", "Third."),
    ]
    assert solid("".join(body for _, body in sections(text))) == solid(text)


def test_prose_that_repeats_its_heading_is_a_section_of_its_own() -> None:
    assert [heading for heading, _ in sections("# Go\nGo on.\n# Stop\nStop now.")] == ["Go", "Stop"]


def test_the_line_over_a_heading_belongs_to_it() -> None:
    text = "One\n===\nFirst.\n\n=====\nTwo\n=====\nSecond."
    assert list(sections(text)) == [("One", "One\n===\nFirst.\n"), ("Two", "=====\nTwo\n=====\nSecond.")]


@pytest.mark.parametrize("text", ["# One", "One\n===", "=====\nTwo\n=====", "# One\n## Two"])
def test_a_heading_alone_says_nothing(text: str) -> None:
    assert is_heading(text) and not is_heading(f"{text}\nGo on.")


@pytest.mark.parametrize("text", ["", " \n\n\t "])
def test_a_document_without_text_has_no_passages(text: str) -> None:
    assert cut(text) == []


@pytest.mark.parametrize(
    "line", ["word and word " * 14286, "x" * 200_000, "a. " * 66_667, "." * 200_000, "." + " " * 199_998 + "a"]
)
def test_a_line_of_200_000_characters_is_cut(line: str) -> None:
    passages = cut(line, CorpusSettings())
    assert solid("".join(passage.text for passage, _ in passages)) == solid(line)
    assert max(words(passage.text) for passage, _ in passages) <= CorpusSettings().max_tokens


def test_ten_thousand_headings_without_prose_take_no_quadratic_time() -> None:
    text = "\n".join(f"# {number}" for number in range(20_000))
    assert solid("".join(body for _, body in sections(text))) == solid(text)


def test_the_same_text_gives_the_same_cuts() -> None:
    text = prose(random.Random(1), 200)
    assert cut(text) == cut(text)


@given(st.integers(0, 10**6), st.integers(0, 5), st.booleans())
def test_an_edit_inside_a_section_renews_only_that_section_s_passages(seed: int, edited: int, remove: bool) -> None:
    rng = random.Random(seed)
    before = [[sentence(rng) for _ in range(rng.randint(1, 12))] for _ in range(6)]
    after = [list(body) for body in before]
    if remove and len(after[edited]) > 1:
        del after[edited][rng.randrange(len(after[edited]))]
    else:
        after[edited].insert(rng.randrange(len(after[edited]) + 1), sentence(rng))

    def by_section(bodies: list[list[str]]) -> dict[str, list[str]]:
        text = "\n\n".join(f"## Part {number}\n\n" + " ".join(body) for number, body in enumerate(bodies))
        passage_ids = dict[str, list[str]]()
        for passage, occurrence in cut(text):
            passage_ids.setdefault(occurrence.section, []).append(passage.passage_id)
        return passage_ids

    old, new = by_section(before), by_section(after)
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] != new[name]] == [f"Part {edited}"]


@pytest.mark.parametrize("edit", ["replace", "insert", "delete"])
def test_an_edit_in_a_long_text_without_sections_leaves_most_passages(edit: str) -> None:
    """Cuts fall back into step: on average an edit of one in 400 sentences renews few of the about 100 passages."""
    rng = random.Random(7)
    shares = list[float]()
    for _ in range(20):
        before = [sentence(rng) for _ in range(400)]
        after = list(before)
        place = rng.randrange(300)
        if edit == "replace":
            after[place] = sentence(rng)
        elif edit == "insert":
            after.insert(place, sentence(rng))
        else:
            del after[place]
        old, new = ids(" ".join(before)), ids(" ".join(after))
        assert new != old
        shares.append(len(set(new) - set(old)) / len(new))
    assert sum(shares) / len(shares) < 0.08
    assert max(shares) < 0.25


def test_an_edit_at_the_start_of_a_line_without_sentences_leaves_most_passages() -> None:
    rng = random.Random(3)
    line = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(20_000)]
    old, new = ids(" ".join(line)), ids(" ".join(["new", *line]))
    assert len(set(new) - set(old)) / len(new) < 0.1


def test_a_body_that_occurs_twice_is_one_passage_with_two_occurrences() -> None:
    (first, here), (second, there) = cut("# One\n\nSame.\n\n# One\n\nSame.")
    assert first == second
    assert (here.ordinal, there.ordinal) == (0, 1)
