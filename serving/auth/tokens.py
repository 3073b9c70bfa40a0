"""Tokens of a home: who may search, write and administer, and what each may see.

A token is 256 random bits; only its SHA-256 is kept. A slow hash such as scrypt protects secrets that can be guessed.
Nobody guesses 256 bits, so it would only slow every request down. Hashes are compared in constant time.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.storage.files import read_json, stamp, write_atomically

SCOPES = ("search", "write", "admin")
"""What a token may do; each scope includes those before it."""
TOKENS = "tokens.json"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. `filters` hold for everything that is read or written with it. Times are in UTC."""

    name: str
    scope: str
    hash: str
    created_at: str
    expires_at: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)

    def allows(self, scope: str) -> bool:
        """Whether its scope includes another."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def facts(self) -> dict[str, Any]:
        """Everything about it that may be shown."""
        return {name: value for name, value in asdict(self).items() if name != "hash"}

    @property
    def expired(self) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= datetime.now(UTC)


class Tokens:
    """The tokens of a home, read again when they have changed."""

    def __init__(self, home: Path) -> None:
        self._path = home / TOKENS
        self._stamp: tuple[int, ...] | None = None
        self._known: Sequence[Token] = ()

    def find(self, secret: str) -> Token | None:
        """The token with this secret; None if there is none or it has expired."""
        offered, match = _hash(secret), None
        for token in self._read():
            if hmac.compare_digest(token.hash, offered):
                match = token
        return None if match is None or match.expired else match

    @property
    def limited(self) -> bool:
        """Whether a token that has not expired is limited by filters."""
        return any(token.filters and not token.expired for token in self._read())

    def _read(self) -> Sequence[Token]:
        newest = stamp(self._path)
        if newest != self._stamp:
            self._known, self._stamp = read_tokens(self._path.parent), newest
        return self._known


def read_tokens(home: Path) -> list[Token]:
    """Every token of a home, expired ones too, in the order of their creation."""
    path = home / TOKENS
    return [Token(**row) for row in read_json(path)] if path.exists() else []


def create_token(home: Path, name: str, scope: str, filters: Mapping[str, str], days: int | None) -> tuple[Token, str]:
    """Create a token.

    Args:
        home: folder of the home.
        name: of the token; tickets and the log name it.
        scope: one of `SCOPES`.
        filters: attribute values of everything that it may read or write.
        days: until it expires; None for never.

    Returns:
        The token and its secret, which is kept nowhere.

    Raises:
        GenretError: a token has this name.
    """
    secret, now = "genret_" + secrets.token_urlsafe(32), datetime.now(UTC)
    until = None if days is None else (now + timedelta(days=days)).isoformat(timespec="seconds")
    token = Token(name, scope, _hash(secret), now.isoformat(timespec="seconds"), until, dict(filters))
    with _changing(home) as known:
        if any(other.name == name for other in known):
            raise GenretError(f"token {name!r} already exists: revoke it first, or choose another name")
        known.append(token)
    return token, secret


def revoke_token(home: Path, name: str) -> None:
    """Revoke a token: from now on requests with it are refused.

    Raises:
        GenretError: no token has this name.
    """
    with _changing(home) as known:
        kept = [token for token in known if token.name != name]
        if len(kept) == len(known):
            raise GenretError(f"no token {name!r}: run `genret token list` to list them")
        known[:] = kept


@contextmanager
def _changing(home: Path) -> Iterator[list[Token]]:
    """The tokens of a home, locked while the caller changes them, and written unless that fails."""
    with Home(home).lock("tokens", wait=True):
        known = read_tokens(home)
        yield known
        rows = json.dumps([asdict(token) for token in known], indent=1)
        write_atomically(home / TOKENS, rows.encode(), mode=0o600)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
