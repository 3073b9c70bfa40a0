"""The registry of one home: releases numbered and immutable, aliases moved by compare-and-swap, each with its event.

A release can be registered, promoted and at its end retired; nothing changes one. `promote` is the only door to
`champion`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, func, insert, select

from genret_ops.errors import BrokenRelease, GateRefused, GenretError, NothingToSearch, ReleaseRetired
from genret_ops.records import canonical_json, text_hash
from genret_ops.registry import aliases, artifacts, database, events, location, retirement
from genret_ops.registry.audit import problems
from genret_ops.registry.events import Event
from genret_ops.registry.verdict import Verdict

CHAMPION, CANDIDATE, PREVIOUS = ALIASES = ("champion", "candidate", "previous")


@dataclass(frozen=True, slots=True)
class Release:
    """A model release on a corpus head.

    `model` is the hash of what was learned, which patches share with the release that they patch; `head` is the record
    of the live passages and docids that it was registered on; `parent` the number of the release that its adapter
    grew from; `created_at` is UTC.
    """

    number: int
    content_hash: str
    manifest_hash: str
    model: str
    generation: int
    delta: str
    parent: int | None
    created_at: datetime
    head: Mapping[str, Any]
    metrics: Mapping[str, Any]
    folder: Path


class Registry:
    """Releases, aliases and events of a home, on SQLite or PostgreSQL (place.py); made where there are none yet.
    Objects hold no open connection: threads and processes may use the same home at once."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self._engine = location.open_registry(self.home)

    @classmethod
    def existing(cls, home: Path) -> "Registry | None":
        """The registry of a home; None where nothing was ever built, and nothing is made then."""
        return cls(home) if location.made(home.absolute()) else None

    def register(
        self,
        content_hash: str,
        folder: Path,
        *,
        generation: int,
        delta: str,
        parent: int | None = None,
        head: Mapping[str, Any],
        metrics: Mapping[str, Any],
        actor: str,
        candidate: bool = True,
    ) -> int:
        """Record a sealed folder as a release on `head`; returns its number, counted from 1 without gaps.

        It becomes candidate in the same transaction, unless it is none (a patch of the champion). The same content on
        the same head is the same release: its number is returned and nothing happens.

        Raises:
            BrokenRelease: the folder is of another content; its files are read when it is judged, promoted or opened.
            GenretError: there is no release `parent`.
        """
        manifest_hash = artifacts.manifest_hash(folder, content_hash)
        facts = {
            "content_hash": content_hash,
            "manifest_hash": manifest_hash,
            "model": artifacts.model_hash(artifacts.read_manifest(folder)),
            "generation": generation,
            "delta": delta,
            "parent": parent,
            "created_at": events.now(),
            "head": canonical_json(dict(head)),
            "metrics": canonical_json(dict(metrics)),
            "folder": self._stored(folder),
        }
        table = database.releases
        with database.writing(self._engine) as connection:
            same = select(table.c.number).where(table.c.content_hash == content_hash, table.c.head == facts["head"])
            gone = retirement.retired(events.read(connection, *retirement.KINDS))
            if known := [int(number) for number in connection.scalars(same) if number not in gone]:
                return known[0]
            last = connection.scalar(select(func.max(table.c.number))) or 0
            if parent is not None and not 1 <= parent <= last:
                raise GenretError(f"there is no release r{parent} to be the parent: see `genret releases`")
            number = int(last) + 1
            connection.execute(insert(table).values(number=number, **facts))
            events.append(connection, "registered", actor=actor, release=number, details=facts)
            if candidate:
                before = aliases.standing(connection).get(CANDIDATE)
                aliases.move(connection, CANDIDATE, number, before, actor=actor, reason="registered")
        return number

    def releases(self) -> list[Release]:
        """Every release, by number."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(database.releases).order_by(database.releases.c.number)).mappings()
            return [self._release(row) for row in rows]

    def release(self, number_or_name: str | int) -> Release:
        """The release that a number (`3`, `r3`), an alias or the beginning of a content hash means.

        Raises:
            NothingToSearch: `champion` is asked for and nothing has been released.
            GenretError: no release is meant, or several.
        """
        name = str(number_or_name)
        digits = name.removeprefix("r")
        if name in ALIASES:
            if (number := self.alias(name)) is None:
                missing = NothingToSearch if name == CHAMPION else GenretError
                raise missing(f"no release is {name} in {self.home}: run `genret build` first")
            digits = str(number)
        known = self.releases()
        found = [release for release in known if str(release.number) == digits]
        if not found and len(name) >= 4:
            found = [release for release in known if release.content_hash.startswith(name)]
        if not found:
            raise GenretError(f"there is no release {name!r}: see `genret releases`")
        if len(found) > 1:
            raise GenretError(f"{name!r} may be any of {', '.join(f'r{release.number}' for release in found)}")
        return found[0]

    def aliases(self) -> dict[str, int]:
        """The number of the release that each alias stands at, all at one moment; nowhere: left out.

        A candidate is one until its model has been champion.
        """
        with self._engine.connect() as connection:
            found = aliases.standing(connection)
            if CANDIDATE in found and aliases.promoted_before(connection, found[CANDIDATE]):
                del found[CANDIDATE]
            return found

    def alias(self, name: str) -> int | None:
        """Number of the release that an alias stands at; None where it stands nowhere yet."""
        return self.aliases().get(name)

    def record_verdict(self, number: int, verdict: Verdict, actor: str) -> None:
        """Store what the gate found of a release, with an event that cites the report's hash.

        Raises:
            GateRefused: the verdict is about another content, or another snapshot.
        """
        release = self.release(number)
        if (verdict.content_hash, verdict.snapshot) != (release.content_hash, release.delta):
            raise GateRefused(f"that verdict is not about r{number}: judge it again")
        report = canonical_json(verdict.as_json())
        details, table = {"report": text_hash(report), "refusals": verdict.refusals}, database.verdicts
        with database.writing(self._engine) as connection:
            location = (connection.scalar(select(func.max(table.c.number))) or 0) + 1
            row = {"number": location, "release": number, "report": report, "report_hash": details["report"]}
            connection.execute(insert(table).values(row))
            events.append(connection, "judged", actor=actor, release=number, details=details)

    def verdict(self, number: int) -> Verdict | None:
        """The gate's latest verdict on a release, None where it was never judged.

        Raises:
            BrokenRelease: the stored report is not the one that the event cites.
        """
        if isinstance(found := self.verdicts(number).get(number), BrokenRelease):
            raise found
        return found

    def verdicts(self, release: int | None = None) -> dict[int, Verdict | BrokenRelease]:
        """The gate's latest verdict on each release that was judged, or on one, by number; or what `verdict` raises."""
        table = database.verdicts
        chosen = [] if release is None else [table.c.release == release]
        asked = select(table).where(*chosen).order_by(table.c.number)
        with self._engine.connect() as connection:
            latest = {row.release: row for row in connection.execute(asked)}
            judged = events.read(connection, "judged", release=release)
        cited = {event.release: event.facts["report"] for event in judged}
        return {
            number: Verdict.of(json.loads(row.report))
            if text_hash(row.report) == row.report_hash == cited.get(number)
            else BrokenRelease(f"the gate's report on r{number} is not the one that was made: judge it again")
            for number, row in latest.items()
        }

    def promote(
        self, number: int, actor: str, reason: str, expected: int | None = None, waiver: str | None = None
    ) -> None:
        """Make a release champion, and the champion `previous`: the only door, and the gate stands in it.

        Every byte of the release's folder is checked, and the gate's report on that content. `expected` is the
        champion that the decision was made against; left out, the one at the time of the call. A release that is
        champion already is checked, and nothing moves. `waiver` says why a release may pass that the gate refused;
        the event keeps it.

        Raises:
            GateRefused: the gate refused the release, or never saw it.
            BrokenRelease: the release's files, manifest or report are not those that were registered.
            AliasMoved: another promotion came first.
            GenretError: there is no such release.
        """
        release = self.release(number)
        champion = self.alias(CHAMPION)
        self.verify(release)
        waived = self.admit(number, waiver)
        if champion == release.number and expected in {None, champion}:
            return
        champion = champion if expected is None else expected
        with database.writing(self._engine) as connection:
            because = f"{reason}; waived: {waiver}" if waived else reason
            aliases.move(connection, CHAMPION, release.number, champion, actor=actor, reason=because, kind="promoted")
            if champion is not None:
                because, before = f"r{release.number} became {CHAMPION}", aliases.standing(connection).get(PREVIOUS)
                aliases.move(connection, PREVIOUS, champion, before, actor=actor, reason=because)

    def admit(self, number: int, waiver: str | None = None) -> list[str]:
        """Return where the gate's stored report lets a release pass, or a waiver does: the refusals that it waived.

        A patch needs two: its own light verdict, and that on the release in which its model was trained, unless that
        model is the champion's and was let in already.

        Raises:
            GateRefused: the gate refused it, or never saw it.
            BrokenRelease: the report is not the one that was made of it.
        """
        release = self.release(number)
        trained = min(other.number for other in self.releases() if other.model == release.model)
        champion = self.alias(CHAMPION)
        waived = list[str]()
        if trained != number and (champion is None or self.release(champion).model != release.model):
            waived += self.admit(trained, waiver)
        verdict = self.verdict(release.number)
        if verdict is None:
            raise GateRefused(f"r{release.number} was never judged: a build or `genret promote` does that")
        if (verdict.content_hash, verdict.snapshot) != (release.content_hash, release.delta):
            raise BrokenRelease(f"the gate's report on r{release.number} is about another release: judge it again")
        if verdict.refusals and not waiver:
            told = "; ".join(verdict.refusals)
            raise GateRefused(f"the gate refuses r{number}: {told}. `genret promote r{number} --waive WHY` lets it in")
        return [*waived, *verdict.refusals]

    def verify(self, release: Release) -> None:
        """Check every byte of a release, and that its manifest is the one that was registered.

        Raises:
            ReleaseRetired: it was erased or collected.
            BrokenRelease: names the first file that differs, is missing or is extra.
        """
        if event := self.retired().get(release.number):
            raise ReleaseRetired(f"{retirement.told(release.number, event)}: see `genret releases`")
        if artifacts.check(release.folder, release.content_hash) != release.manifest_hash:
            raise BrokenRelease(f"{release.folder}: {artifacts.MANIFEST} differs from what was registered")

    def retire(self, kind: str, numbers: Sequence[int], actor: str, **details: Any) -> None:
        """Record that the files of releases go, which the champion's may not (retirement.py)."""
        with database.writing(self._engine) as connection:
            retirement.retire(connection, kind, numbers, CHAMPION, actor=actor, details=details)

    def retired(self) -> dict[int, Event]:
        """The event that retired each release that is retired, by number."""
        return retirement.retired(self.events(*retirement.KINDS))

    def events(self, *kinds: str) -> list[Event]:
        """The audit trail, oldest first; only events of these kinds where any is named."""
        with self._engine.connect() as connection:
            return events.read(connection, *kinds)

    def verify_chain(self) -> list[str]:
        """What is wrong with the audit trail, one sentence each; empty where nothing is (audit.py)."""
        with self._engine.connect() as connection:
            return problems(connection)

    def _stored(self, folder: Path) -> str:
        """A folder inside the home is stored relative to it, so that a home can be moved."""
        absolute = folder.absolute()
        return str(absolute.relative_to(self.home) if absolute.is_relative_to(self.home) else absolute)

    def _release(self, row: RowMapping) -> Release:
        readers: dict[str, Callable[[Any], Any]] = {
            "created_at": datetime.fromisoformat,
            "head": json.loads,
            "metrics": json.loads,
            "folder": self.home.joinpath,
        }
        return Release(**{name: readers[name](value) if name in readers else value for name, value in row.items()})
