"""What watch shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.cli.render.terminal import changes, say, unreached
from genret_ops.text import listed, plural


def watching(sources: Sequence[str], seconds: float) -> None:
    """What a watcher looks at and how often, on standard error."""
    places = f"{listed(sources, 2)} and the inbox" if sources else "the inbox"
    say(f"Watching {places} every {seconds:g} s. Ctrl-C stops.", stderr=True)


def watched(event: Mapping[str, Any]) -> None:
    """One thing that a watcher did, as a line with its time."""
    say(f"{event['at'][11:19]} {_event(event)}")


def _event(event: Mapping[str, Any]) -> str:
    match event["done"]:
        case "update":
            return _update(event)
        case "away":
            return unreached(event["unreached"])
        case "failed":
            return f"ingest failed: {event['error']}"
        case "learning":
            return f"learning {plural(event['passages'], 'passage')}"
        case done if event["code"] == 0:
            return str(done)
        case done:
            return f"{done}: the build ended with code {event['code']}, see its messages above"


def _update(event: Mapping[str, Any]) -> str:
    missed = f"; {unreached(event['unreached'])}" if event["unreached"] else ""
    if not event["delta"]:
        return f"nothing new since {event['snapshot']}{missed}"
    return f"{event['delta']}: {changes(event['changes'])}; searchable in {event['release']}{missed}"
