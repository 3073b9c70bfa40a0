"""What language models wrote is kept for good, its cost is accounted for, and an erasure reaches it."""

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.synthesis.generation_store import FILE, MOST_TRIES, GenerationStore, Subject, account_of, forget
from genret_ops.synthesis.language_model import INVALID, LOST, TIMED_OUT, Completion, Usage

PAID = Usage(100, 10, cost=0.25)


def subject(key: str, passages: tuple[str, ...] = ("p",), documents: tuple[str, ...] = ("d",)) -> Subject:
    return Subject(key, "anthropic:m:chunk@1:0", passages, documents)


@pytest.fixture
def store(tmp_path: Path) -> GenerationStore:
    return GenerationStore(tmp_path / FILE)


def test_an_answer_outlives_the_process_and_is_kept_once(store: GenerationStore, tmp_path: Path) -> None:
    store.note([subject("a")])
    for _ in range(2):
        store.keep(Completion("a", '{"queries":[]}', usage=PAID, message="m1"))
    store.close()
    again = GenerationStore(tmp_path / FILE)
    assert again.answers(["a", "b"]) == {"a": '{"queries":[]}'}
    assert again.account() == account_of(tmp_path)
    assert (again.account().spent, again.account().input_tokens) == (0.25, 100)
    assert again.tokens_per_answer("anthropic:m:chunk@1:0") == 10 and again.tokens_per_answer("other") is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), max_size=12))
def test_nothing_is_committed_beyond_the_cap(steps: list[tuple[float, float, bool]]) -> None:
    store = GenerationStore(Path(":memory:"))
    for number, (most, share, settles) in enumerate(steps):
        before = store.account().committed
        fits = store.reserve({f"k{number}": most}, cap=2.0)
        assert fits == (before + most <= 2.0)
        if fits and settles:
            store.keep(Completion(f"k{number}", reason=INVALID, usage=Usage(cost=most * share)))
        assert store.account().committed <= 2.0 + 1e-9
    store.close()


def test_answers_in_vain_are_counted_and_what_may_have_been_paid_for_is_final(store: GenerationStore) -> None:
    store.note(map(subject, "abcd"))
    for _ in range(MOST_TRIES - 1):
        store.keep(Completion("a", reason=INVALID, usage=PAID))
        store.keep(Completion("b", reason="error 529"))
        store.keep(Completion("c", reason=INVALID, usage=Usage(100, 10)))
    store.keep(Completion("d", reason=TIMED_OUT, usage=Usage(uncertain=0.5)))
    assert store.tries("abcd") == {"a": MOST_TRIES - 1, "b": 0, "c": MOST_TRIES - 1, "d": MOST_TRIES}
    assert store.failures("abcd") == {"a": INVALID, "b": "error 529", "c": INVALID, "d": TIMED_OUT}
    assert store.account().uncertain == 0.5 and store.account().spent == 0.5


def test_what_a_killed_run_had_sent_by_itself_is_not_sent_again(store: GenerationStore) -> None:
    store.note(map(subject, "ab"))
    assert store.reserve({"a": 0.5}, 10) and store.reserve({"b": 0.25}, 10, batch="x", prices=(3.0, 15.0))
    assert store.give_up_lost() == 1
    assert store.failures("ab") == {"a": LOST} and store.tries("a") == {"a": MOST_TRIES}
    assert store.account().uncertain == 0.5 and store.account().set_aside == 0.25
    (batch,) = store.batches()
    assert (batch.name, batch.id, dict(batch.most), batch.prices) == ("x", "", {"b": 0.25}, (3.0, 15.0))


def test_a_batch_is_known_until_it_is_collected_and_its_id_for_ever(store: GenerationStore) -> None:
    store.note(map(subject, "ab"))
    assert store.reserve({"a": 1.0, "b": 1.0}, 3.0, batch="x") and not store.reserve({"c": 1.5}, 3.0)
    store.taken("x", "id-1")
    store.keep(Completion("a", "{}", usage=PAID))
    assert [(batch.id, dict(batch.most)) for batch in store.batches()] == [("id-1", {"b": 1.0})]
    store.keep(Completion("b", "{}", usage=PAID))
    store.end("x")
    assert store.batches() == [] and store.batch_ids() == {"id-1"} and store.account().committed == 0.5
    assert store.reserve({"c": 1.0}, 3.0, batch="y")
    store.release(batch="y")
    assert store.account().set_aside == 0 and store.batches() == []


def test_an_erasure_takes_what_showed_the_document_or_quotes_it(store: GenerationStore, tmp_path: Path) -> None:
    store.note([subject("a", ("gone", "kept"), ("x", "y")), subject("b", ("shared",), ("secret.md",)), subject("c")])
    store.note([subject("d", ("kept",), ("y",))])
    for key in "abc":
        store.keep(Completion(key, json.dumps({"text": f"answer {key}"}), usage=PAID, message=key))
    store.keep(Completion("d", '{"text":"the porter knows the number"}', usage=PAID, message="d"))
    store.close()
    assert forget(tmp_path, "secret.md", ["gone", "the porter knows"]) == 3
    again = GenerationStore(tmp_path / FILE)
    assert set(again.answers("abcd")) == {"c"} and again.account().spent == 1.0
    again.keep(Completion("a", '{"text":"late answer of a batch"}', usage=PAID, message="late"))
    assert set(again.answers("abcd")) == {"c"} and again.account().spent == 1.25, "paid for, and not kept"
    again.close()
    stored = (tmp_path / FILE).read_bytes()
    assert not any(text in stored for text in (b"secret.md", b"porter", b"answer a", b"gone", b"late answer"))
    assert forget(tmp_path / "nowhere", "a", []) == 0


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(GenretError, match="restore it from a backup: file is not a database"):
        GenerationStore(tmp_path / FILE)


def test_a_write_that_fails_leaves_nothing_half_done(store: GenerationStore) -> None:
    store.note([subject("a")])
    store.reserve({"a": 1.0}, 2.0)
    with pytest.raises(sqlite3.IntegrityError):
        store.reserve({"b": 0.1, "a": 0.1}, 2.0)
    assert store.account().set_aside == 1.0
