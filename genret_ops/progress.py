"""Progress of long work on standard error: a bar on a terminal, plain lines elsewhere.

Whoever does the work calls back with numbers (`Progress`) and does not know who shows them.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from genret_ops.text import duration

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""
LINE_SECONDS = 10.0
"""Shortest time between two plain lines about the same work."""


def silent(done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


def announce(sentence: str) -> None:
    """Say something that somebody should know before work goes on, such as what it will cost."""
    print(sentence, file=sys.stderr, flush=True)


class Report(Protocol):
    """What `progress` yields; it also serves as a `Progress`."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` are done; `note` is a word on how it goes, such as "loss 1.234"."""


class LabelledReport(Protocol):
    """What `progress_of_many` yields."""

    def __call__(self, label: str, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` of the work `label` are done."""


@contextmanager
def progress(label: str, unit: str = "") -> Iterator[Report]:
    """Show the progress of one piece of work; nothing is shown before the first report.

    Args:
        label: what is being done, such as "encoding sentences".
        unit: what is counted, in the plural.

    Example:
        >>> with progress("learning docids (SFT)", "steps") as report:
        ...     report(40, 200, "loss 1.234")

        writes, without a terminal, `learning docids (SFT): 40 of 200 steps, loss 1.234, about 3 min left`.
    """
    with progress_of_many(unit) as report:
        yield lambda done, total, note="": report(label, done, total, note)


@contextmanager
def progress_of_many(unit: str = "") -> Iterator[LabelledReport]:
    """Show the progress of several pieces of work, each under its own label."""
    if not sys.stderr.isatty():
        lines = _Lines(unit)
        yield lines.report
        lines.finish()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    label_column = TextColumn("{task.description}", markup=False)  # no markup and no emoji out of data
    note_column = TextColumn("{task.fields[note]}", markup=False)
    columns = (label_column, BarColumn(), MofNCompleteColumn(), note_column, TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = dict[str, TaskID]()

        def update(label: str, done: int, total: int, note: str = "") -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, note="")
            bars.update(tasks[label], completed=done, total=total, note=note)

        yield update


@dataclass
class _Work:
    """What is known about one piece of work."""

    started: float
    """When its first report came."""
    first_done: int
    """How much was done by then: a resumed training does not begin at 0."""
    done: int
    printed: float = -math.inf
    """When its last line was printed."""
    pending: str = ""
    """Its newest line, if that has not been printed."""


class _Lines:
    """Plain lines: about each piece of work the first report, one every `LINE_SECONDS`, and the last."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._works = dict[str, _Work]()

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Take a report, and print it if it is time for a line."""
        now, work = time.monotonic(), self._works.get(label)
        if work is None or done < work.done:
            work = self._works[label] = _Work(now, done, done)
        elif done == work.done == total:
            return
        work.done = done
        parts = [f"{label}: {done:,} of {total:,}" + (f" {self._unit}" if self._unit else ""), note]
        if work.first_done < done < total:
            left = (now - work.started) * (total - done) / (done - work.first_done)
            parts.append(f"about {duration(left)} left")
        work.pending = ", ".join(part for part in parts if part)
        if done >= total or now - work.printed >= LINE_SECONDS:
            self._print(work, now)

    def finish(self) -> None:
        """Print the last line about work that ended before its total."""
        for work in self._works.values():
            if work.pending:
                self._print(work, time.monotonic())

    def _print(self, work: _Work, now: float) -> None:
        print(work.pending, file=sys.stderr, flush=True)
        work.pending, work.printed = "", now
