"""What pack and token show."""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.cli.render.terminal import columns, console, moment, say


def pack(summary: Mapping[str, Any]) -> None:
    """A release that was packed."""
    say(f"{summary['release']} is packed in {summary['folder']}.")
    say(f"Next: genret serve --home {summary['folder']}")


def token_created(token: Mapping[str, Any]) -> None:
    """A new token with its secret."""
    console().print(token["token"], soft_wrap=True)
    say(f"Scope {token['scope']}. It sees {_seen(token)} and ends {_end(token)}.")
    say("Only a hash of it is kept, so it is not shown again.")
    if token["filters"]:
        say("From now on every request needs a token, from this machine too: genret token create NAME")


def tokens(known: Sequence[Mapping[str, Any]]) -> None:
    """Every token: what it is for, what it sees, when it ends."""
    if not known:
        say("No token yet. Next: genret token create NAME")
        return
    rows = [(token["name"], token["scope"], _seen(token), _end(token)) for token in known]
    columns(("name", "scope", "sees", "ends"), rows, wrap=("name", "sees", "ends"))


def _seen(token: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in token["filters"].items()) or "everything"


def _end(token: Mapping[str, Any]) -> str:
    return moment(token["expires_at"]) if token["expires_at"] else "when it is revoked"
