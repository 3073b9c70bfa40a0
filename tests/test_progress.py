"""Progress for people: plain lines where there is no terminal, a bar where there is one."""

import io
import sys

import pytest

from genret_ops import progress as module
from genret_ops.progress import progress, progress_of_many


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_plain_lines_come_at_the_start_every_ten_seconds_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("learning docids (SFT)", "steps") as report:
        for step in range(1, 31):
            report(step, 30, f"loss {1 / step:.3f}")
            clock.now += 4
    assert capsys.readouterr().err.splitlines() == [
        "learning docids (SFT): 1 of 30 steps, loss 1.000",
        "learning docids (SFT): 4 of 30 steps, loss 0.250, about 2 min left",
        "learning docids (SFT): 7 of 30 steps, loss 0.143, about 2 min left",
        "learning docids (SFT): 10 of 30 steps, loss 0.100, about 1 min left",
        "learning docids (SFT): 13 of 30 steps, loss 0.077, about 1 min left",
        "learning docids (SFT): 16 of 30 steps, loss 0.062, about 56 s left",
        "learning docids (SFT): 19 of 30 steps, loss 0.053, about 44 s left",
        "learning docids (SFT): 22 of 30 steps, loss 0.045, about 32 s left",
        "learning docids (SFT): 25 of 30 steps, loss 0.040, about 20 s left",
        "learning docids (SFT): 28 of 30 steps, loss 0.036, about 8 s left",
        "learning docids (SFT): 30 of 30 steps, loss 0.033",
    ]


def test_the_time_left_counts_from_where_a_resumed_training_went_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("learning", "steps") as report:
        report(101, 200)
        clock.now += 100
        report(111, 200)
    assert "about 15 min left" in capsys.readouterr().err.splitlines()[-1]


def test_work_that_ends_early_shows_its_last_report_and_work_that_fails_does_not(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("encoding sentences") as report:
        report(1, 5_000)
        report(2, 5_000)
    assert capsys.readouterr().err == "encoding sentences: 1 of 5,000\nencoding sentences: 2 of 5,000, about 1 s left\n"
    with pytest.raises(KeyboardInterrupt), progress("encoding sentences") as report:
        report(1, 5)
        report(2, 5)
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "encoding sentences: 1 of 5\n"


def test_several_works_have_lines_of_their_own_and_may_begin_again(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_of_many() as report:
        report("reading", 1, 3)
        report("asking", 1, 2)
        report("asking", 2, 2)
        report("asking", 2, 2)
        report("asking", 1, 2)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 1 of 3",
        "asking: 1 of 2",
        "asking: 2 of 2",
        "asking: 1 of 2",
    ]


def test_nothing_is_shown_where_nothing_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("encoding sentences"):
        pass
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_data_is_neither_markup_nor_emoji(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with progress(":date: [red]notes") as report:
        report(1, 2, "loss [b]1[/b]")
    shown = terminal.getvalue()
    assert ":date: [red]notes" in shown and "1/2" in shown and "loss [b]1[/b]" in shown
    assert " of 2" not in shown
