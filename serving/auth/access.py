"""Who asks, whether they may, and how often: tokens, loopback, and a bucket of requests for each caller."""

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from genret_ops.settings import ServingSettings
from serving.auth.tokens import Tokens
from serving.errors import Refusal

_CALLERS = 10_000
"""Buckets that are kept; the caller that was away longest starts with a full one again."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""Headers of a proxy: whoever asks is then not the one who connects."""
_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(?::\d*)?")
_HOW = "send 'Authorization: Bearer TOKEN'; `genret token create` makes one"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request: a token's name, or an address. `filters` limit everything that is read or written.

    `admin` may be told what is wrong within the service: it administers all of it.
    """

    name: str
    filters: Mapping[str, str] = field(default_factory=dict)
    admin: bool = False

    def narrowed(self, filters: Mapping[str, str]) -> dict[str, str]:
        """The filters that a request asks for, together with the caller's own.

        Raises:
            Refusal: the two contradict each other.
        """
        for name, value in self.filters.items():
            if filters.get(name, value) != value:
                raise Refusal(403, "outside", f"this token sees documents with {name}={value} only")
        return {**filters, **self.filters}

    def sees(self, metadata: Mapping[str, str]) -> bool:
        """Whether a document with these attributes exists for this caller."""
        return all(metadata.get(name) == value for name, value in self.filters.items())


class Access:
    """Lets callers in."""

    def __init__(self, tokens: Tokens, settings: ServingSettings) -> None:
        self._tokens = tokens
        self._settings = settings
        self._buckets = OrderedDict[str, tuple[float, float]]()

    def admit(self, headers: Mapping[str, str], address: str, scope: str, always: bool) -> Caller:
        """The caller of a request that needs a scope, by its headers (named in small letters) and where it comes from.

        Without a token, a request is let in where it is not `always` needed, the settings require none and no token is
        limited by filters, which would limit nobody then: from this machine and to it, by a program on it. A page that
        made its own name point here, and what a proxy passes on, come from elsewhere.

        Raises:
            Refusal: 401 without a token or with one that is not known, 403 beyond its scope, 429 too often.
        """
        caller = self._caller(headers, address, scope, always)
        self._count(caller.name)
        return caller

    def _caller(self, headers: Mapping[str, str], address: str, scope: str, always: bool) -> Caller:
        authorization = headers.get("authorization")
        if authorization is None:
            if told := self._wanting(headers, address, always):
                self._count(address)
                raise Refusal(401, "no_token", f"{told}: {_HOW}")
            return Caller(address)
        kind, _, secret = authorization.partition(" ")
        token = self._tokens.find(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            self._count(address)
            raise Refusal(401, "bad_token", "this token is not known, was revoked or has expired")
        caller = Caller(f"token {token.name}", token.filters, token.allows("admin") and not token.filters)
        if not token.allows(scope):
            self._count(caller.name)
            raise Refusal(403, "scope", f"this needs a token of scope {scope}, and this one is for {token.scope}")
        return caller

    def _wanting(self, headers: Mapping[str, str], address: str, always: bool) -> str | None:
        """Why a request cannot be let in without a token; None where it can."""
        if always or self._settings.require_token:
            return "this needs a token"
        if self._tokens.limited:
            return "a token of this service is limited by filters, so that nobody is let in without one"
        if not is_loopback(address) or any(name in headers for name in _FORWARDED):
            return "whoever is not on the service's own machine needs a token"
        if not is_own_name(headers.get("host", "")):
            return "without a token the service is asked as localhost, and this request names another host"
        return None

    def _count(self, name: str) -> None:
        most, now = float(self._settings.per_second), time.monotonic()
        left, then = self._buckets.pop(name, (most, now))
        left = min(most, left + (now - then) * most)
        self._buckets[name] = (max(0.0, left - 1), now)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise Refusal(429, "too_often", f"more than {self._settings.per_second} requests a second: slow down")


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def is_own_name(host: str) -> bool:
    """Whether a `Host` header, with a port or without, is localhost or a loopback address."""
    found = _HOST.fullmatch(host)
    name = found[1].strip("[]").lower() if found else ""
    return name == "localhost" or is_loopback(name)
