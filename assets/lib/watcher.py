"""`genret watch`: what the sensors do, in one process and without a daemon."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from assets.lib import runner
from genret_ops import summaries
from genret_ops.errors import GenretError
from genret_ops.ingestion.file_watcher import Watch, scan
from genret_ops.ingestion.sources import known_sources
from genret_ops.promotion.retrain_policy import LastBuild, measure_freshness
from genret_ops.registry.home import Home

OnEvent = Callable[[dict[str, Any]], None]
"""Called with each thing that was done: `at`, `done`, and what it gave."""
_REASON = "genret watch"


class Watcher:
    """Watches one home, and the sources `given` to it, which are remembered once they have been ingested.

    Updates run in this process. A build runs in one of its own, so that documents flow in while it learns; it ends with
    the watcher, and goes on from its last checkpoint when it is started again.
    """

    def __init__(self, home: Home, on_event: OnEvent, given: Sequence[str] = ()) -> None:
        self._home, self._on_event, self._given = home, on_event, tuple(given)
        self._watch, self._learned = Watch(), LastBuild()
        self._build: subprocess.Popen[bytes] | None = None
        self._began, self._error = False, ""
        self._away = list[str]()

    def look(self) -> bool:
        """Look once, and update or build if it is time to; returns whether there is nothing left to wait for.

        Raises:
            GenretError: the first look failed, or one before the given sources were ingested. A later failure is
                reported once, and the next look tries again.
        """
        try:
            done = self._look(time.time())
        except GenretError as error:
            if not self._began:
                raise
            if str(error) != self._error:
                self._error = str(error)
                self._report("failed", error=self._error)
            return False
        self._began, self._error = not self._given, ""
        return done

    def _look(self, now: float) -> bool:
        settings, sources = self._home.settings.updates, known_sources(self._home, self._given)
        settle = settings.settle_seconds
        self._watch = scan(self._watch, self._home.path, sources, settle, settings.poll_seconds, now)
        self._report_away(self._watch.unreachable_sources(sources))
        due = self._watch.reason_to_wait(settle, now) is None
        due = due or bool(self._given and not self._watch.folders_left and not self._watch.still_written)
        if due and not self._home.is_locked("corpus"):
            self._take_in(settle, self._watch.restless_sources(sources))
        self._learn(now)
        watch = self._watch
        return not (watch.folders_left or watch.changes or watch.still_written or self._build or self._given)

    def _report_away(self, sources: list[str]) -> None:
        """Report the sources that cannot be reached, whenever they are not the same as before."""
        if self._watch.folders_left:
            return
        if sources and sources != self._away:
            self._report("away", unreached=dict.fromkeys(sources, ""))
        self._away = sources

    def end(self) -> None:
        """End the build, if one is running."""
        if self._build is not None:
            self._build.terminate()
            self._build.wait()

    def _take_in(self, settle: float, restless: Sequence[str]) -> None:
        self._watch = self._watch.after_update()
        try:
            ingested = runner.ingest(self._home, self._given, settle=settle, restless=restless, reason=_REASON)
        except GenretError as error:
            if self._given and not self._watch.still_written:
                raise
            self._watch = self._watch.after_failure(time.time())
            self._report("failed", error=str(error))
        else:
            self._given = ()
            if ingested.unreached:
                self._watch = self._watch.after_partial_success(time.time())
            else:
                self._watch = self._watch.after_success()
            self._report("update", **summaries.ingested(ingested))

    def _learn(self, now: float) -> None:
        if self._build is not None and (code := self._build.poll()) is not None:
            self._build = None
            self._report("learned" if code == 0 else "not learned", code=code)
        freshness = measure_freshness(self._home)
        due = self._learned.reason_to_wait(freshness, self._home.settings.updates, now) is None
        if self._build is None and due and not self._home.is_locked("training"):
            self._learned = LastBuild(now, freshness.unlearned)
            # -P: a user's own queue.py in the current folder is not the standard library's
            command = [sys.executable, "-P", "-m", "genret_ops.cli", "build", "--home", str(self._home.path)]
            self._build = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            self._report("learning", passages=freshness.unlearned)

    def _report(self, done: str, **what: Any) -> None:
        self._on_event({"at": datetime.now(UTC).isoformat(timespec="seconds"), "done": done, **what})


def watch(home: Home, given: Sequence[str], once: bool, on_event: OnEvent) -> None:
    """Watch a home until interrupted, or with `once` until all that has changed by now is ingested.

    Raises:
        GenretError: no source is known, a new one cannot be reached, or what was given cannot be ingested.
    """
    watcher = Watcher(home, on_event, given)
    try:
        while not watcher.look() or not once:
            time.sleep(min(home.settings.updates.poll_seconds, home.settings.updates.settle_seconds or 1.0))
    finally:
        watcher.end()
