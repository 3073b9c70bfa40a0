"""What erase, gc, backup and restore show."""

from collections.abc import Mapping
from typing import Any

from genret_ops.cli.render.terminal import moment, say
from genret_ops.text import plural


def erasure(report: Mapping[str, Any]) -> None:
    """An erasure: what was retired and removed, what was searched, and what is left."""
    document = report["document"]
    if report["already"]:
        say(f"{document} was erased before, on {moment(report['asked'])}.")
        return
    say(f"{report['snapshot']} was made without it. Releases retired: {', '.join(report['retired']) or 'none'}.")
    for refusal in report["refusals"]:
        say(("The gate would have refused the new model", "yellow"), f": {refusal}")
    say(f"Removed: {_counts(report['removed'])}.")
    searched = report["searched"]
    everywhere = "Its id was looked for everywhere."
    ordinary = "Its id is an ordinary word, so it was looked for only where ids are stored."
    say(
        f"Looked for {plural(searched['pieces'], 'string')} of it in {plural(searched['files'], 'file')} "
        f"({searched['bytes'] / 1e6:,.1f} MB), {plural(searched['table_rows'], 'row')} of tables and "
        f"{searched['database_rows']:,} of databases. {everywhere if searched['id_everywhere'] else ordinary}"
    )
    for place in report["left"]:
        say(("left", "red"), f": {place}")
    say((f"{document} is not fully erased.", "red") if report["left"] else (f"{document} is erased.", "bold"))


def collection(report: Mapping[str, Any]) -> None:
    """A garbage collection, or with a dry run what it would remove."""
    planned, releases = report["dry_run"], report["collected"]
    count = plural(len(releases), "release") if releases else "no release"
    names = f": {', '.join(releases)}" if releases else ""
    say(f"Would collect {count}{names}." if planned else f"Collected {count}{names}.")
    kept = ", ".join(report["kept"]) or "no release"
    say(f"{'Would keep' if planned else 'Kept'} {kept}; snapshots {', '.join(report['snapshots']) or 'none'}.")
    say(f"{'Would remove' if planned else 'Removed'}: {_counts(report['removed'])}.")
    if not planned:
        say(f"Freed {max(0, report['freed_bytes']) / 1e6:,.1f} MB.")


def _counts(removed: Mapping[str, int]) -> str:
    """How many of each kind, the kind first since it stands in the plural."""
    return ", ".join(f"{kind} {count:,}" for kind, count in removed.items() if count) or "nothing"


def backup(summary: Mapping[str, Any]) -> None:
    """A backup that was written."""
    say(f"{summary['file']}: {_holds(summary)}, {summary['bytes'] / 1e6:,.1f} MB.")


def restored(summary: Mapping[str, Any]) -> None:
    """A home that was made from a backup."""
    say(f"{summary['file']}: {_holds(summary)}, every byte of which is what was sealed.")
    say(f"Next: genret status --home {summary['file']}")


def _holds(summary: Mapping[str, Any]) -> str:
    return f"{plural(summary['snapshots'], 'snapshot')}, {plural(summary['releases'], 'release')}"
