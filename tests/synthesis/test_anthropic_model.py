"""Writing with a service that fails in every way it can: each request is answered once, or listed with its reason.

The service is on loopback (tests/support/language_service.py), and counts what it bills.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from genret_ops.corpus.labels import add_labels
from genret_ops.errors import GenretError
from genret_ops.settings import Settings, SynthesisSettings
from genret_ops.synthesis import anthropic_batches, anthropic_service
from genret_ops.synthesis.anthropic_batches import AnthropicBatches
from genret_ops.synthesis.generated import GeneratedQueries, read_generated
from genret_ops.synthesis.generation import WAITING
from genret_ops.synthesis.generation_store import GenerationStore, account_of
from genret_ops.synthesis.language_model import BROKEN, GONE, INVALID, REFUSED, TIMED_OUT, TRUNCATED
from genret_ops.synthesis.queries import source_passages
from tests.support.language_service import Faults, LanguageService, serving
from tests.support.written_corpus import corpus, neighbours, settings_of, write

ONE_BY_ONE, IN_BATCHES = {"bulk": 1000}, {"bulk": 1}
pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "right")
    monkeypatch.setattr(anthropic_service, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(anthropic_batches, "SETTLING", 1.0)


@pytest.fixture
def service() -> Iterator[LanguageService]:
    with serving(LanguageService()) as running:
        yield running


class Killed(BaseException):
    """As if the process had ended here."""


@contextmanager
def killed_at(owner: type, step: str) -> Iterator[None]:
    """End the block as a kill before a step would."""

    def killed(*arguments: object, **more: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, step, killed)
        yield


@pytest.mark.parametrize("way", [ONE_BY_ONE, IN_BATCHES], ids=["one by one", "in batches"])
def test_every_request_is_answered_once_and_the_account_is_the_services(
    service: LanguageService, tmp_path: Path, way: dict[str, int]
) -> None:
    kinds = ("chunk", "sentence", "constraint", "multihop", "hard", "keywords")
    writing = write(tmp_path, 8, settings_of(service.url, kinds, **way))
    generated, account = writing.generated, account_of(tmp_path)
    assert generated.answered == generated.tasks == len(service.billed) > 40 and not generated.failures
    assert set(service.good_answers().values()) == {1}
    assert account.spent == pytest.approx(service.dollars) and account.set_aside == account.uncertain == 0
    assert account.output_tokens == sum(each.written for each in service.billed)
    assert account.input_tokens == sum(each.read for each in service.billed)
    assert bool(service.batches) == (way is IN_BATCHES) and bool(service.calls["message"]) == (way is ONE_BY_ONE)


def test_what_is_there_is_not_asked_again_and_new_passages_alone_are_paid_for(
    service: LanguageService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(service.url)
    write(tmp_path, 6, settings)
    assert write(tmp_path, 6, settings).generated.new == 0 and len(service.billed) == 6
    assert write(tmp_path, 8, settings).generated.new == 2 and len(service.billed) == 8
    more = Settings.model_validate(
        {"synthesis": settings.synthesis.model_dump() | {"questions": 2}, "generation": settings.generation}
    )
    assert write(tmp_path, 8, more).generated.new == 8, "another number of queries is another question"
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert write(tmp_path, 8, settings).generated.answered == 8, "without anything to ask, no key is needed"


def test_labels_are_shown_as_examples_and_a_new_label_has_nothing_written_again(
    service: LanguageService, tmp_path: Path
) -> None:
    settings = settings_of(service.url)
    write(tmp_path, 6, settings)
    add_labels(tmp_path, [("who burns 14 litres", "doc-2"), ("another about it", "doc-2"), ("gone", "no-document")])
    assert write(tmp_path, 8, settings).generated.new == 2 and len(service.billed) == 8
    (with_examples,) = (prefix for prefix in service.prefixes if "-> " in prefix)
    assert "Lighthouse 2\nThe lamp of tower 2" in with_examples and "-> who burns 14 litres" in with_examples
    assert "another about it" not in with_examples and "-> gone" not in with_examples


@pytest.mark.parametrize("way", [ONE_BY_ONE, IN_BATCHES], ids=["one by one", "in batches"])
def test_a_busy_service_is_asked_again(service: LanguageService, tmp_path: Path, way: dict[str, int]) -> None:
    service.faults = Faults(busy=0.4)
    writing = write(tmp_path, 20, settings_of(service.url, **way))
    assert writing.generated.answered == 20 and set(service.good_answers().values()) == {1}
    assert account_of(tmp_path).spent == pytest.approx(service.dollars)


@pytest.mark.parametrize("way", [ONE_BY_ONE, IN_BATCHES], ids=["one by one", "in batches"])
@pytest.mark.parametrize(
    ("faults", "reason"),
    [(Faults(truncated=0.7), TRUNCATED), (Faults(refused=0.7), REFUSED), (Faults(invalid=0.7), INVALID)],
)
def test_what_is_no_answer_is_asked_for_again_three_times_at_most(
    service: LanguageService, tmp_path: Path, way: dict[str, int], faults: Faults, reason: str
) -> None:
    service.faults = faults
    settings = settings_of(service.url, **way)
    generated = write(tmp_path, 30, settings).generated
    assert generated.answered < 30 and set(generated.failures.values()) == {reason}
    assert generated.answered + len(generated.failures) == 30
    tries = Counter(each.identity for each in service.billed)
    assert max(tries.values()) == 3 and set(service.good_answers().values()) == {1}
    assert account_of(tmp_path).spent == pytest.approx(service.dollars)
    billed = len(service.billed)
    assert write(tmp_path, 30, settings).generated.failures == generated.failures
    assert len(service.billed) == billed, "what failed three times, and was paid for, is not asked for again"


def test_a_longer_answer_gets_more_space(service: LanguageService, tmp_path: Path) -> None:
    service.faults = Faults(truncated=1.0)
    write(tmp_path, 2, settings_of(service.url))
    assert len(service.spaces) == 3 and {b / a for a, b in pairwise(sorted(service.spaces))} == {2}


def test_entries_that_expire_or_fail_are_sent_again(service: LanguageService, tmp_path: Path) -> None:
    service.faults = Faults(expired=0.3, errored=0.3)
    settings = settings_of(service.url, **IN_BATCHES)
    generated = write(tmp_path, 40, settings).generated
    assert len(service.batches) > 1 and set(service.good_answers().values()) == {1}
    reasons = {"expired in a batch", "error in a batch: api_error: it broke"}
    assert 0 < len(generated.failures) < 20 and set(generated.failures.values()) <= reasons
    assert account_of(tmp_path).spent == pytest.approx(service.dollars)
    service.faults = Faults()
    assert write(tmp_path, 40, settings).generated.failures == {}, (
        "what was never paid for is asked for by the next run"
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_that_was_taken_without_our_knowing_is_adopted(tmp_path: Path, seed: int) -> None:
    with serving(LanguageService(Faults(lost=0.7, busy=0.2), seed)) as service:
        writing = write(tmp_path, 12, settings_of(service.url, **IN_BATCHES))
        assert writing.generated.answered == 12 and set(service.good_answers().values()) == {1}
        assert account_of(tmp_path).spent == pytest.approx(service.dollars)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_that_is_taken_after_the_connection_broke_is_not_sent_again(tmp_path: Path, seed: int) -> None:
    with serving(LanguageService(Faults(late=0.7), seed)) as service:
        assert write(tmp_path, 12, settings_of(service.url, **IN_BATCHES)).generated.answered == 12
        assert set(service.good_answers().values()) == {1}
        assert account_of(tmp_path).spent == pytest.approx(service.dollars)


@pytest.mark.parametrize("results_too", [True, False], ids=["its results", "the batch"])
def test_a_batch_that_is_gone_may_have_been_paid_for(
    service: LanguageService, tmp_path: Path, results_too: bool
) -> None:
    settings = settings_of(service.url, **IN_BATCHES)
    with killed_at(AnthropicBatches, "_finish"):
        write(tmp_path, 12, settings)
    service.forget(results_too)
    generated, account = write(tmp_path, 14, settings).generated, account_of(tmp_path)
    assert generated.answered == 2 and set(generated.failures.values()) == {GONE}
    assert account.spent + account.uncertain >= service.dollars and account.set_aside == 0
    assert set(service.good_answers().values()) == {1}


def test_what_is_under_way_is_collected_without_a_cap_and_not_announced_again(
    service: LanguageService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with killed_at(AnthropicBatches, "_finish"):
        write(tmp_path, 12, settings_of(service.url, **IN_BATCHES))
    assert "12 requests" in capsys.readouterr().err
    assert write(tmp_path, 12, settings_of(service.url, cap=0.0, **IN_BATCHES)).generated.answered == 12
    assert "12 requests to" not in capsys.readouterr().err


def test_the_batch_of_another_run_is_waited_for_by_that_one(service: LanguageService, tmp_path: Path) -> None:
    service.batch_seconds = 3600.0
    with killed_at(AnthropicBatches, "_finish"):
        write(tmp_path, 12, settings_of(service.url, ("hard",), **IN_BATCHES))
    assert write(tmp_path, 4, settings_of(service.url, ("chunk",), **ONE_BY_ONE)).generated.answered == 4
    for batch in service.batches:
        batch.ends = 0.0
    assert write(tmp_path, 5, settings_of(service.url, ("chunk",), **ONE_BY_ONE)).generated.answered == 5
    assert account_of(tmp_path).set_aside == 0 and account_of(tmp_path).spent == pytest.approx(service.dollars)


@pytest.mark.parametrize(
    ("owner", "step", "batches"),
    [(AnthropicBatches, "_send", 0), (GenerationStore, "taken", 1), (GenerationStore, "end", 1)],
    ids=["before it is sent", "before its id is noted", "before its end is noted"],
)
def test_a_batch_outlives_a_kill(
    service: LanguageService, tmp_path: Path, owner: type, step: str, batches: int
) -> None:
    settings = settings_of(service.url, **IN_BATCHES)
    with killed_at(owner, step):
        write(tmp_path, 12, settings)
    assert len(service.batches) == batches
    assert write(tmp_path, 12, settings).generated.answered == 12
    assert len(service.batches) == 1 and set(service.good_answers().values()) == {1}
    account = account_of(tmp_path)
    assert account.spent == pytest.approx(service.dollars) and account.set_aside == 0


def test_the_batch_of_another_home_is_not_adopted(service: LanguageService, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    settings, other = settings_of(service.url, **IN_BATCHES), settings_of(service.url, ("hard",), **IN_BATCHES)
    write(tmp_path / "other", 12, other)
    with killed_at(AnthropicBatches, "_send"):
        write(tmp_path / "home", 12, settings)
    assert write(tmp_path / "home", 12, settings).generated.answered == 12 and len(service.batches) == 2


def test_an_answer_that_takes_too_long_is_given_up_and_may_have_been_paid(
    service: LanguageService, tmp_path: Path
) -> None:
    service.faults = Faults(slow=0.2, slow_seconds=2.0)
    settings = settings_of(service.url, timeout_seconds=1.0, concurrency=4)
    generated, account = write(tmp_path, 20, settings).generated, account_of(tmp_path)
    assert generated.answered + len(generated.failures) == 20 and set(generated.failures.values()) <= {TIMED_OUT}
    assert account.uncertain > 0 and account.spent == pytest.approx(service.dollars)
    assert set(service.good_answers().values()) == {1}


def test_a_message_whose_connection_breaks_is_not_paid_for_again(service: LanguageService, tmp_path: Path) -> None:
    service.faults = Faults(broken=0.3)
    settings = settings_of(service.url)
    generated = write(tmp_path, 30, settings).generated
    assert generated.answered + len(generated.failures) == 30 and set(generated.failures.values()) == {BROKEN}
    account = account_of(tmp_path)
    assert account.spent < service.dollars <= account.spent + account.uncertain <= settings.generation.cap
    assert write(tmp_path, 30, settings).generated.failures == generated.failures
    assert len(service.billed) == 30 and set(service.good_answers().values()) == {1}


def test_an_account_without_credit_ends_the_run_and_nothing_is_given_up(
    service: LanguageService, tmp_path: Path
) -> None:
    service.faults = Faults(unpaid=True)
    settings = settings_of(service.url, **IN_BATCHES)
    message = "none of 12 requests in a row: error in a batch: billing_error: the credit is used up"
    with pytest.raises(GenretError, match=message):
        write(tmp_path, 12, settings)
    assert account_of(tmp_path).committed == 0
    service.faults = Faults()
    assert write(tmp_path, 12, settings).generated.answered == 12


@pytest.mark.parametrize("way", [ONE_BY_ONE, IN_BATCHES], ids=["one by one", "in batches"])
def test_a_pause_that_is_too_long_ends_the_run_and_says_how_long(
    service: LanguageService, tmp_path: Path, way: dict[str, int]
) -> None:
    settings = settings_of(service.url, **way)
    service.faults = Faults(busy=1.0, pause="3600")
    with pytest.raises(GenretError, match="a pause of 60 minutes"):
        write(tmp_path, 40, settings)
    assert account_of(tmp_path).committed == 0
    service.faults = Faults(busy=0.2, pause="nan")
    assert write(tmp_path, 40, settings).generated.answered == 40


def test_a_batch_costs_what_it_cost_when_it_was_sent(service: LanguageService, tmp_path: Path) -> None:
    with killed_at(AnthropicBatches, "_finish"):
        write(tmp_path, 12, settings_of(service.url, **IN_BATCHES))
    cheap = settings_of(service.url, input_price=0.1, output_price=0.1, **IN_BATCHES)
    assert write(tmp_path, 12, cheap).generated.answered == 12
    assert account_of(tmp_path).spent == pytest.approx(service.dollars)


def test_no_more_is_under_way_than_is_allowed(service: LanguageService, tmp_path: Path) -> None:
    service.faults = Faults(slow=1.0, slow_seconds=0.3)
    write(tmp_path, 9, settings_of(service.url, concurrency=3))
    assert service.together == 3


@pytest.mark.parametrize(("way", "cap"), [(ONE_BY_ONE, 0.03), (IN_BATCHES, 0.014)], ids=["one by one", "in batches"])
def test_the_cap_holds_and_what_waits_is_listed(
    service: LanguageService, tmp_path: Path, way: dict[str, int], cap: float, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = write(tmp_path, 40, settings_of(service.url, cap=cap, **way)).generated
    assert 0 < generated.answered < 40 and set(generated.failures.values()) == {WAITING}
    assert generated.answered + len(generated.failures) == 40
    assert service.dollars <= cap and account_of(tmp_path).committed <= cap
    assert f"$0.00 of the ${cap:.4f} that may be spent are gone" in capsys.readouterr().err
    raised = write(tmp_path, 40, settings_of(service.url, cap=50.0, **way)).generated
    assert raised.answered == 40 and set(service.good_answers().values()) == {1}


def test_without_a_cap_nothing_is_sent_and_the_estimate_is_said(service: LanguageService, tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"nothing may be spent on 40 requests to .*about \$.*at most \$.*set gen"):
        write(tmp_path, 40, settings_of(service.url, cap=0.0))
    assert not service.calls


def test_what_is_missing_is_said_in_a_sentence(
    service: LanguageService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GenretError, match="nobody has said what loopback-1 costs"):
        write(tmp_path, 2, settings_of(service.url, input_price=0.0))
    errors = {"unknown": "knows no model 'unknown'", "strict": "none of 5 requests in a row: error 400: model: strict"}
    for model, message in errors.items():
        settings = settings_of(service.url)
        synthesis = settings.synthesis.model_dump() | {"language_model": f"anthropic:{model}"}
        with pytest.raises(GenretError, match=message):
            write(tmp_path, 9, Settings.model_validate({"synthesis": synthesis, "generation": settings.generation}))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong")
    with pytest.raises(GenretError, match="does not accept the key in ANTHROPIC_API_KEY: invalid key"):
        write(tmp_path, 2, settings_of(service.url))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(GenretError, match="needs a key: set ANTHROPIC_API_KEY"):
        write(tmp_path, 2, settings_of(service.url))
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(GenretError, match=r"needs the package anthropic: run `pip install 'genret-ops\[llm\]'`"):
        write(tmp_path, 2, settings_of(service.url))
    assert account_of(tmp_path).committed == 0 and not service.billed


def test_a_service_that_is_not_there_is_said_and_costs_nothing(tmp_path: Path) -> None:
    with serving(LanguageService()) as gone:
        pass
    for way in (ONE_BY_ONE, IN_BATCHES):
        with pytest.raises(GenretError, match=r"cannot be used \(Connection error"):
            write(tmp_path, 2, settings_of(gone.url, **way))
    assert account_of(tmp_path).committed == 0


def test_the_queries_are_read_back_with_their_provenance(service: LanguageService, tmp_path: Path) -> None:
    kinds = ("chunk", "sentence", "constraint", "multihop", "hard")
    settings = settings_of(service.url, kinds)
    write(tmp_path, 8, settings)
    head = corpus(8)
    passages = source_passages(head, neighbours(8), settings.retrieval)
    generated = read_generated(tmp_path, passages, settings.synthesis)
    by_kind = Counter(query.kind for query in generated.queries)
    assert set(by_kind) == set(kinds) and not generated.refused
    for query in generated.queries:
        provider, model, prompt, digest, style = query.generator.split(":")
        assert (provider, model, prompt) == ("anthropic", "loopback-1", f"{query.kind}@1") and len(digest) == 8
        assert style in ("question", "claim", "keyword")
        documents = [head.first_document(position) for position in query.positions]
        assert all(documents[0].metadata[name] == value for name, value in query.constraints.items())
        assert len(query.positions) == 1 or query.kind == "multihop"
    assert read_generated(tmp_path, passages, SynthesisSettings()) == GeneratedQueries()
