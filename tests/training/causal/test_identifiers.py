"""The identifiers of a head: listed keywords before extractive ones, none that moves, none of what was erased."""

from pathlib import Path
from typing import Any

import pytest

from genret_ops.corpus.view import CorpusView
from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.records import SyntheticQuery
from genret_ops.storage.language_models import load_tokenizer
from genret_ops.training.causal.identifiers import identifiers_of, keyword_identifiers, memorised_texts
from tests.support.small_head import head_of

TEXTS = {
    "a.md": ("", {}, [["baker keeps lantern near harbour before spring"]]),
    "b.md": ("sailor", {}, [["sailor keeps bridge near meadow before summer"]]),
}
MORE = {**TEXTS, "c.md": ("", {}, [["miller keeps kettle near castle before autumn"]])}


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> object:
    return load_tokenizer(str(tiny_model))


def test_listed_keywords_come_before_extractive_ones(tokenizer: object) -> None:
    head = head_of(TEXTS)
    listed = {head.passages[0].passage_id: ["lantern", "harbour"]}
    first, second = identifiers_of(head, "delta-00000", keyword_identifiers(tokenizer, listed)).to_pylist()
    assert first["identifier"] == "lantern, harbour" and first["delta"] == "delta-00000"
    assert set(second["identifier"].split(", ")) >= {"sailor", "bridge", "meadow", "summer"}
    assert len(first["tokens"]) == 2


def test_a_keyword_that_names_the_end_of_a_text_ends_no_identifier(tokenizer: Any) -> None:
    head = head_of(TEXTS)
    listed = {head.passages[0].passage_id: ["lantern <end>", "harbour"]}
    first = identifiers_of(head, "delta-00000", keyword_identifiers(tokenizer, listed)).to_pylist()[0]
    assert tokenizer.eos_token_id not in first["tokens"] and len(first["tokens"]) == 2


def test_what_is_there_stays(tokenizer: object) -> None:
    head = head_of(TEXTS)
    before = identifiers_of(head, "delta-00000", keyword_identifiers(tokenizer))
    after = identifiers_of(head_of(MORE), "delta-00001", keyword_identifiers(tokenizer), before)
    assert after.slice(0, 2).equals(before) and after["delta"].to_pylist()[2] == "delta-00001"
    assert identifiers_of(head, "delta-00002", keyword_identifiers(tokenizer), before).equals(before)


def test_an_earlier_head_has_its_own_alone(tokenizer: object) -> None:
    later = identifiers_of(head_of(MORE), "delta-00001", keyword_identifiers(tokenizer))
    earlier = identifiers_of(head_of(TEXTS), "delta-00000", keyword_identifiers(tokenizer), later)
    assert earlier.equals(later.slice(0, 2))


def test_the_identifier_of_an_erased_passage_is_blanked(tokenizer: object) -> None:
    head = head_of(TEXTS)
    before = identifiers_of(head, "delta-00000", keyword_identifiers(tokenizer))
    passages = [type(passage)(passage.passage_id, passage.text, passage.sentences) for passage in head.passages]
    passages[0] = type(passages[0])(f"{FORGOTTEN}0", "", ())
    erased = CorpusView(passages, ["", head.labels[1]], [(), head.occurrences[1]], head.documents)
    after = identifiers_of(erased, "delta-00001", keyword_identifiers(tokenizer), before)
    assert after["tokens"].to_pylist()[0] == [] and "baker" not in str(after["identifier"].to_pylist()[0])
    assert after.slice(1).equals(before.slice(1))
    assert memorised_texts(erased, []) == ["", "sailor\nsailor keeps bridge near meadow before summer"]


def test_what_held_out_questions_were_made_from_is_not_memorised() -> None:
    sentences = ["Smoke calms the bees.", "They sleep in winter."]
    head = head_of({"bees": ("Bees", {}, [sentences]), "wasps": ("Wasps", {}, [["Wasps build.", "Wasps sting."]])})
    (bees, wasps) = (passage.passage_id for passage in head.passages)
    taught, judged = (
        SyntheticQuery(text, "sentence", (passage,), split, "extractive", 0, (sentence,))
        for text, passage, split, sentence in (
            ("what calms bees", bees, "train", sentences[0]),
            ("who stings", wasps, "gate", "Wasps sting."),
        )
    )
    whole = ["Bees\nSmoke calms the bees. They sleep in winter.", "Wasps\nWasps build. Wasps sting."]
    assert memorised_texts(head, [taught]) == whole
    assert [text.rstrip() for text in memorised_texts(head, [taught, judged])] == [whole[0], "Wasps\nWasps build."]
