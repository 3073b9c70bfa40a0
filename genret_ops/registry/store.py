"""The registry of a home: releases numbered and immutable, aliases moved by compare-and-swap, each with its event.

A release is registered, judged, promoted and in the end retired; nothing else happens to it. `promote` is the only way
to become champion, and the gate's stored verdict guards it. This module knows releases and their history, but not what
their files hold or how they are judged.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from genret_ops.errors import AliasMoved, BrokenRelease, GateRefused, GenretError, NothingToSearch, ReleaseRetired
from genret_ops.records import SnapshotRecord, canonical_json, text_hash
from genret_ops.registry import artifacts, audit_trail, database, location
from genret_ops.registry.artifacts import Manifest
from genret_ops.registry.audit_trail import RETIREMENTS, Event, describe_retirement, release_name, retired
from genret_ops.registry.verdict import Verdict

UNTRAINED = 0
"""Number of the release that a home begins with, before any training."""
CHAMPION, CANDIDATE, PREVIOUS = ALIASES = ("champion", "candidate", "previous")
RegistryRows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table, numbers and texts alone; which home owns the registry is not among them."""
_PORTABLE = [table for table in database.metadata.sorted_tables if table is not database.owner]


@dataclass(frozen=True, slots=True)
class Release:
    """A model release on a corpus head.

    Attributes:
        number: counted without gaps, from 0 if the first was not trained, else from 1.
        content_hash: SHA-256 over its model and settings files.
        manifest_hash: SHA-256 of its manifest.
        model: hash of what was learned, shared by a release and its patches.
        generation: number of trainings from genesis before it, from 0.
        delta: the snapshot that it stands on.
        parent: number of the release from which its adapter grew, or which it patches.
        created_at: when it was registered, UTC.
        head: record of that snapshot: the live passages and docids.
        metrics: what was measured when its model was trained, by name.
        folder: where its files lie.
    """

    number: int
    content_hash: str
    manifest_hash: str
    model: str
    generation: int
    delta: str
    parent: int | None
    created_at: datetime
    head: SnapshotRecord
    metrics: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """The release as people call it, such as `r3`."""
        return f"r{self.number}"

    def manifest(self) -> Manifest:
        """What the release was made from.

        Raises:
            BrokenRelease: the manifest is missing or cannot be read.
        """
        return artifacts.read_manifest(self.folder)


class Registry:
    """Releases, aliases and events of a home, in SQLite or PostgreSQL (location.py).

    An object opens the database when it is first used and keeps no connection, so threads and processes may use the
    same home at once. The first release makes the database; until then, every list is empty and reading makes nothing.

    Args:
        home: the home's folder.

    Raises:
        GenretError: from every method: the database cannot be reached, belongs to another home or to something else,
            or the home has its registry in another database.

    Example:
        >>> registry = Registry(Path("notes-index"))
        >>> registry.release("champion").name
        'r3'
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self._engine: Engine | None = None

    def _open(self) -> Engine | None:
        """The database; None if it was not made yet."""
        if self._engine is None:
            self._engine = location.open_existing(self.home)
        return self._engine

    def _open_or_create(self) -> Engine:
        if self._engine is None:
            self._engine = location.open_or_create(self.home)
        return self._engine

    def create(self) -> None:
        """Make the database if there is none yet."""
        self._open_or_create()

    def register(
        self,
        content_hash: str,
        folder: Path,
        *,
        generation: int,
        parent: int | None = None,
        head: SnapshotRecord,
        metrics: Mapping[str, Any],
        actor: str,
        candidate: bool = True,
        first: int = UNTRAINED + 1,
    ) -> int:
        """Record a sealed folder as a release on a corpus head.

        The same content on the same head is the same release: its number is returned and nothing happens.

        Args:
            content_hash: SHA-256 over its files, as `seal` returned it.
            folder: where they lie.
            generation: number of trainings from genesis before it.
            parent: number of the release from which its adapter grew, or which it patches.
            head: record of the snapshot that it stands on.
            metrics: what was measured when its model was trained, by name.
            actor: who registers it, for the trail.
            candidate: whether it becomes candidate in the same transaction; a patch of the champion does not.
            first: its number if the home has no release yet.

        Returns:
            The number of the release, one more than the last.

        Raises:
            BrokenRelease: the folder holds another content. Its files are read when it is judged, promoted or opened.
            GenretError: there is no release `parent`.
        """
        facts = {
            "content_hash": content_hash,
            "manifest_hash": artifacts.manifest_hash(folder, content_hash),
            "model": artifacts.model_hash(artifacts.read_manifest(folder)),
            "generation": generation,
            "delta": head.snapshot,
            "parent": parent,
            "created_at": audit_trail.now(),
            "head": canonical_json(head.as_json()),
            "metrics": canonical_json(dict(metrics)),
            "folder": self._relative(folder),
        }
        table = database.releases
        with database.writing(self._open_or_create()) as connection:
            same = select(table.c.number).where(table.c.content_hash == content_hash, table.c.head == facts["head"])
            gone = retired(audit_trail.read(connection, *RETIREMENTS))
            if known := [int(number) for number in connection.scalars(same) if number not in gone]:
                return known[0]
            numbers = set(connection.scalars(select(table.c.number)))
            if parent is not None and parent not in numbers:
                raise GenretError(f"no release r{parent} to be the parent: run `genret releases` to list them")
            number = max(numbers) + 1 if numbers else first
            connection.execute(insert(table).values(number=number, **facts))
            audit_trail.append(connection, "registered", actor=actor, release=number, details=facts)
            if candidate:
                before = _aliases(connection).get(CANDIDATE)
                _move(connection, CANDIDATE, number, before, actor=actor, reason="registered")
        return number

    def releases(self) -> list[Release]:
        """Every release, by number."""
        if (engine := self._open()) is None:
            return []
        with engine.connect() as connection:
            rows = connection.execute(select(database.releases).order_by(database.releases.c.number)).mappings()
            return [self._release(row) for row in rows]

    def expect_releases(self) -> None:
        """Check that there is a release.

        Raises:
            NothingToSearch: there is none.
        """
        if not self.releases():
            raise NothingToSearch(f"{self.home} holds no release yet: run `genret ingest SOURCE` first")

    def release(self, number_or_name: str | int) -> Release:
        """The release of a name.

        Args:
            number_or_name: its number (`3`, `r3`), an alias, or the first digits of its content hash, four at least.

        Raises:
            NothingToSearch: the name is `champion`, and nothing was released yet.
            GenretError: no release has that name, or several have.
        """
        name = str(number_or_name)
        digits = name.removeprefix("r")
        if name in ALIASES:
            if (number := self.alias(name)) is None:
                missing = NothingToSearch if name == CHAMPION else GenretError
                raise missing(f"no release is {name} in {self.home} yet: run `genret ingest SOURCE` first")
            digits = str(number)
        releases = self.releases()
        matches = [release for release in releases if str(release.number) == digits]
        if not matches and len(name) >= 4:
            matches = [release for release in releases if release.content_hash.startswith(name)]
        if not matches:
            raise GenretError(f"no release {name!r}: run `genret releases` to list them")
        if len(matches) > 1:
            names = ", ".join(release.name for release in matches)
            raise GenretError(f"{name!r} may mean {names}: give more digits of the hash, or a number")
        return matches[0]

    def aliases(self) -> dict[str, int]:
        """The number of the release that each alias names, all at one moment; unset aliases are left out.

        A candidate stays one until its model has been champion.
        """
        if (engine := self._open()) is None:
            return {}
        with engine.connect() as connection:
            aliases = _aliases(connection)
            if CANDIDATE in aliases and _was_promoted(connection, aliases[CANDIDATE]):
                del aliases[CANDIDATE]
            return aliases

    def alias(self, name: str) -> int | None:
        """Number of the release that an alias names; None if it is unset."""
        return self.aliases().get(name)

    def champion(self) -> Release | None:
        """The release that answers; None if there is none yet."""
        number = self.alias(CHAMPION)
        return None if number is None else self.release(number)

    def record_verdict(self, number: int, verdict: Verdict, actor: str) -> None:
        """Store the gate's verdict on a release, with an event that cites the hash of its report.

        Args:
            number: the release.
            verdict: what the gate says of it.
            actor: who had it judged, for the trail.

        Raises:
            GateRefused: the verdict is about another content or another snapshot.
        """
        release = self.release(number)
        if (verdict.content_hash, verdict.snapshot) != (release.content_hash, release.delta):
            raise GateRefused(f"this verdict is not about r{number}: judge the release again")
        report = canonical_json(verdict.as_json())
        details, table = {"report": text_hash(report), "refusals": verdict.refusals}, database.verdicts
        with database.writing(self._open_or_create()) as connection:
            next_number = (connection.scalar(select(func.max(table.c.number))) or 0) + 1
            row = {"number": next_number, "release": number, "report": report, "report_hash": details["report"]}
            connection.execute(insert(table).values(row))
            audit_trail.append(connection, "judged", actor=actor, release=number, details=details)

    def verdict(self, number: int) -> Verdict | None:
        """The gate's latest verdict on a release; None if it was never judged.

        Raises:
            BrokenRelease: the stored report is not the one that the event cites.
        """
        verdict = self.verdicts(number).get(number)
        if isinstance(verdict, BrokenRelease):
            raise verdict
        return verdict

    def verdicts(self, release: int | None = None) -> dict[int, Verdict | BrokenRelease]:
        """The latest verdict on each release that was judged, by number; or the error that `verdict` raises.

        Args:
            release: the only release that counts; None: all.
        """
        if (engine := self._open()) is None:
            return {}
        table = database.verdicts
        chosen = [] if release is None else [table.c.release == release]
        query = select(table).where(*chosen).order_by(table.c.number)
        with engine.connect() as connection:
            latest = {row.release: row for row in connection.execute(query)}
            judged = audit_trail.read(connection, "judged", release=release)
        cited = {event.release: event.facts["report"] for event in judged}
        return {
            number: Verdict.from_json(json.loads(row.report))
            if text_hash(row.report) == row.report_hash == cited.get(number)
            else BrokenRelease(f"the gate's report on r{number} is not the one that was made: judge the release again")
            for number, row in latest.items()
        }

    def promote(
        self, number: int, actor: str, reason: str, expected: int | None = None, waiver: str | None = None
    ) -> None:
        """Make a release champion and the champion `previous`, if the gate's verdict or a waiver lets it.

        Every byte of the release's folder is verified first, and so is the gate's report on it. A release that is
        champion already is verified, and nothing moves.

        Args:
            number: the release.
            actor: who promotes it, for the trail.
            reason: why, for the trail.
            expected: the champion against which the decision was made; None: the one at the time of the call.
            waiver: why a release may pass that the gate refused; the event keeps it.

        Raises:
            GateRefused: the gate refused the release, or never judged it.
            BrokenRelease: the release's files, manifest or report are not those that were registered.
            AliasMoved: another promotion came first.
            GenretError: there is no such release.
        """
        release = self.release(number)
        champion = self.alias(CHAMPION)
        self.verify(release)
        waived = self.check_admission(number, waiver)
        if champion == release.number and expected in {None, champion}:
            return
        expected = champion if expected is None else expected
        with database.writing(self._open_or_create()) as connection:
            promotion = f"{reason}; waived: {waiver}" if waived else reason
            _move(connection, CHAMPION, release.number, expected, actor=actor, reason=promotion, kind="promoted")
            if expected is not None:
                before = _aliases(connection).get(PREVIOUS)
                _move(connection, PREVIOUS, expected, before, actor=actor, reason=f"{release.name} became {CHAMPION}")

    def check_admission(self, number: int, waiver: str | None = None) -> list[str]:
        """Check that the gate's stored report lets a release become champion, or that a waiver does.

        A patch needs two reports: its own light one, and the full one on the release in which its model was trained.
        If that model is the champion's, it was admitted before.

        Args:
            number: the release.
            waiver: why a release may pass that the gate refused.

        Returns:
            The refusals that the waiver waived.

        Raises:
            GateRefused: the gate refused it, or never judged it.
            BrokenRelease: the report is not the one that was made of it.
        """
        release, champion = self.release(number), self.champion()
        trained, waived = self.training_release(release), list[str]()
        if trained.number != number and (champion is None or champion.model != release.model):
            waived += self.check_admission(trained.number, waiver)
        verdict = self.verdict(release.number)
        if verdict is None:
            raise GateRefused(f"the gate never judged {release.name}: run `genret build` or `genret promote`")
        if (verdict.content_hash, verdict.snapshot) != (release.content_hash, release.delta):
            raise BrokenRelease(f"the gate's report on {release.name} is about another release: judge it again")
        if verdict.refusals and not waiver:
            refusals = "; ".join(verdict.refusals)
            raise GateRefused(
                f"the gate refuses {release.name}: {refusals}. "
                f"`genret promote {release.name} --waive WHY` promotes it all the same"
            )
        return [*waived, *verdict.refusals]

    def verify(self, release: Release) -> None:
        """Check every byte of a release, and that its manifest is the one that was registered.

        Raises:
            ReleaseRetired: it was erased or collected.
            BrokenRelease: names the first file that differs, is missing or is extra.
        """
        if event := self.retired().get(release.number):
            gone = describe_retirement(release.number, event)
            raise ReleaseRetired(f"{gone}: see `genret releases`")
        if artifacts.check(release.folder, release.content_hash) != release.manifest_hash:
            raise BrokenRelease(f"{release.folder}: {artifacts.MANIFEST} differs from what was registered")

    def retire(self, kind: str, numbers: Sequence[int], actor: str, **details: Any) -> None:
        """Record that the files of releases are removed for good, and take aliases off these releases.

        Rows and events of a retired release stay, so that the trail can be verified; nobody can open it any more.

        Args:
            kind: `erased` or `collected`.
            numbers: the releases.
            actor: who retires them, for the trail.
            details: further facts of the event.

        Raises:
            GenretError: one of them is the champion.
        """
        table = database.aliases
        with database.writing(self._open_or_create()) as connection:
            facts = {"releases": sorted(numbers), **details}
            audit_trail.append(connection, kind, actor=actor, details=facts)
            for name, number in _aliases(connection).items():
                if number not in numbers:
                    continue
                if name == CHAMPION:
                    raise GenretError(f"r{number} is {CHAMPION} and cannot be retired: promote another release first")
                connection.execute(delete(table).where(table.c.name == name))
                moved = {"from": number, "reason": f"r{number} was {kind}"}
                audit_trail.append(connection, "moved", actor=actor, alias=name, details=moved)

    def retired(self) -> dict[int, Event]:
        """The event that retired each retired release, by number."""
        return retired(self.events(*RETIREMENTS))

    def present(self) -> list[Release]:
        """The releases that are not retired, by number."""
        gone = self.retired()
        return [release for release in self.releases() if release.number not in gone]

    def training_release(self, release: Release) -> Release:
        """The release in which a release's model was trained: the release itself, unless it is a patch."""
        return next(other for other in self.releases() if other.model == release.model)

    def record(self, kind: str, actor: str, **details: Any) -> None:
        """Add an event that is about no release, such as a withdrawal; nothing happens before the first release.

        Args:
            kind: what happened (`audit_trail.Event`).
            actor: who did it.
            details: facts of the event, as JSON. No document's text or id: an erasure cannot take back an event.
        """
        if (engine := self._open()) is not None:
            with database.writing(engine) as connection:
                audit_trail.append(connection, kind, actor=actor, details=details)

    def events(self, *kinds: str) -> list[Event]:
        """The audit trail, oldest first.

        Args:
            kinds: the kinds of events to read; none: all.
        """
        if (engine := self._open()) is None:
            return []
        with engine.connect() as connection:
            return audit_trail.read(connection, *kinds)

    def problems(self) -> list[str]:
        """What is wrong with the audit trail, a sentence each; empty if nothing is."""
        if (engine := self._open()) is None:
            return []
        with engine.connect() as connection:
            return audit_trail.problems(connection)

    def rows(self) -> list[tuple[Any, ...]]:
        """Every row of every table, as an erasure searches them."""
        if (engine := self._open()) is None:
            return []
        with engine.connect() as connection:
            tables = database.metadata.sorted_tables
            return [tuple(row) for table in tables for row in connection.execute(select(table))]

    def dump(self) -> RegistryRows | None:
        """What the registry holds, in a form for any database; None if there is no registry."""
        if (engine := self._open()) is None:
            return None
        with engine.connect() as connection:
            ordered = {table: select(table).order_by(*table.primary_key) for table in _PORTABLE}
            return {
                table.name: [dict(row) for row in connection.execute(query).mappings()]
                for table, query in ordered.items()
            }

    def load(self, rows: RegistryRows) -> None:
        """Make the registry of a restored home from what `dump` returned: all of it or nothing.

        Raises:
            GenretError: the database that the home's settings name holds a registry already.
        """
        engine = location.connect(self.home)
        with database.writing(engine) as connection:
            if database.releases.name in location.tables(connection):
                raise GenretError(
                    f"{database.display_name(engine.url)} holds a registry already: restore with "
                    "GENRET_REGISTRY__URL naming an empty database, or leave it empty for SQLite"
                )
            location.create_tables(connection, self.home)
            for table in _PORTABLE:
                if rows[table.name]:
                    connection.execute(insert(table), [dict(row) for row in rows[table.name]])

    def _relative(self, folder: Path) -> str:
        """A folder inside the home is stored relative to it, so that a home can be moved."""
        absolute = folder.absolute()
        return str(absolute.relative_to(self.home) if absolute.is_relative_to(self.home) else absolute)

    def _release(self, row: RowMapping) -> Release:
        parsers: dict[str, Callable[[Any], Any]] = {
            "created_at": datetime.fromisoformat,
            "head": lambda text: SnapshotRecord.from_json(json.loads(text)),
            "metrics": json.loads,
            "folder": self.home.joinpath,
        }
        return Release(**{name: parsers[name](value) if name in parsers else value for name, value in row.items()})


def _aliases(connection: Connection) -> dict[str, int]:
    """The release that each alias names; unset aliases are left out."""
    return {row.name: row.release for row in connection.execute(select(database.aliases))}


def _was_promoted(connection: Connection, number: int) -> bool:
    """Whether a release was promoted, or another with its model, such as a patch of it."""
    releases, trail = database.releases, database.events
    model = select(releases.c.model).where(releases.c.number == number).scalar_subquery()
    query = select(trail.c.seq).join_from(trail, releases, trail.c.release == releases.c.number)
    query = query.where(trail.c.kind == "promoted", releases.c.model == model)
    return connection.execute(query.limit(1)).first() is not None


def _move(
    connection: Connection, name: str, to: int, expected: int | None, *, actor: str, reason: str, kind: str = "moved"
) -> None:
    """Move an alias away from the release `expected`, and write the event, in the caller's transaction.

    Raises:
        AliasMoved: it names another release.
    """
    table, moved_at = database.aliases, audit_trail.now()
    if expected is None:
        try:
            connection.execute(insert(table).values(name=name, release=to, moved_at=moved_at))
            swapped = True
        except IntegrityError:
            swapped = False
    else:
        swap = update(table).where(table.c.name == name, table.c.release == expected)
        swapped = connection.execute(swap.values(release=to, moved_at=moved_at)).rowcount == 1
    if not swapped:
        raise AliasMoved(f"{name} is no longer {release_name(expected)}: run `genret releases`, then decide again")
    details = {"from": expected, "reason": reason}
    audit_trail.append(connection, kind, actor=actor, release=to, alias=name, details=details)
