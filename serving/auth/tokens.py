"""Tokens of a home: who may ask, write and administer, and what each may see at all.

A token is 256 random bits, and what is kept of it is its SHA-256. A slow hash such as scrypt protects secrets that can
be guessed; nobody guesses 256 bits, so it would only cost every request its time. Hashes are compared in constant time.
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
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import Home

SCOPES = ("search", "write", "admin")
"""What a token may do; each may do what those before it may."""
TOKENS = "tokens.json"


@dataclass(frozen=True, slots=True)
class Token:
    """A token but for its secret. `filters` hold for everything that is read or written with it; times are UTC."""

    name: str
    scope: str
    hash: str
    created_at: str
    expires_at: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)

    def allows(self, scope: str) -> bool:
        """Whether its scope holds another."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def facts(self) -> dict[str, Any]:
        """What may be told of it."""
        return {name: value for name, value in asdict(self).items() if name != "hash"}

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= datetime.now(UTC)


class Tokens:
    """The tokens of one home, read again when somebody has changed them."""

    def __init__(self, home: Path) -> None:
        self._path = home / TOKENS
        self._stamp: tuple[int, ...] | None = None
        self._known: Sequence[Token] = ()

    def find(self, secret: str) -> Token | None:
        """The token of that secret, unless it has expired."""
        offered, found = _hash(secret), None
        for token in self._read():
            if hmac.compare_digest(token.hash, offered):
                found = token
        return None if found is None or found.expired else found

    @property
    def limited(self) -> bool:
        """Whether a token that has not expired is limited by filters."""
        return any(token.filters and not token.expired for token in self._read())

    def _read(self) -> Sequence[Token]:
        state = self._path.stat() if self._path.exists() else None
        stamp = (state.st_mtime_ns, state.st_ino, state.st_size) if state else ()
        if stamp != self._stamp:
            self._known, self._stamp = read_tokens(self._path.parent), stamp
        return self._known


def read_tokens(home: Path) -> list[Token]:
    """Every token of a home, expired ones too, by the time they were made."""
    path = home / TOKENS
    return [Token(**row) for row in json.loads(path.read_text("utf-8"))] if path.exists() else []


def create_token(home: Path, name: str, scope: str, filters: Mapping[str, str], days: int | None) -> tuple[Token, str]:
    """(a new token, its secret), which is shown once and kept nowhere.

    Raises:
        GenretError: there is one of that name.
    """
    secret, now = "genret_" + secrets.token_urlsafe(32), datetime.now(UTC)
    until = None if days is None else (now + timedelta(days=days)).isoformat(timespec="seconds")
    token = Token(name, scope, _hash(secret), now.isoformat(timespec="seconds"), until, dict(filters))
    with _changing(home) as known:
        if any(other.name == name for other in known):
            raise GenretError(f"there is a token {name!r} already: revoke it first, or take another name")
        known.append(token)
    return token, secret


def revoke_token(home: Path, name: str) -> None:
    """Forget a token; requests with it are refused from now on.

    Raises:
        GenretError: there is none of that name.
    """
    with _changing(home) as known:
        kept = [token for token in known if token.name != name]
        if len(kept) == len(known):
            raise GenretError(f"there is no token {name!r}: see `genret token list`")
        known[:] = kept


@contextmanager
def _changing(home: Path) -> Iterator[list[Token]]:
    """The tokens of a home, to be changed by nobody else meanwhile, and written when that went well."""
    with Home(home).alone("tokens", wait=True):
        known = read_tokens(home)
        yield known
        rows = json.dumps([asdict(token) for token in known], indent=1)
        write_atomically(home / TOKENS, rows.encode(), mode=0o600)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
