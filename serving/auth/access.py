"""Who asks, whether they may, and how often: tokens, this machine, and a limit of requests for each caller."""

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from genret_ops.settings import ServingSettings
from genret_ops.text import plural
from serving.auth.tokens import Tokens
from serving.errors import Refusal

_CALLERS = 10_000
"""Callers whose rate is remembered; the one that was away longest starts anew."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""Headers of a proxy: the caller is then not the one who connects."""
_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(?::\d*)?")
_HOW = "send 'Authorization: Bearer TOKEN'; `genret token create NAME` makes one"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `filters` limit everything that they read or write.

    Args:
        name: of the token, or the address that the request comes from.
        filters: of the token.
        admin: whether they administer all of the service, and so may learn what is wrong inside it.
    """

    name: str
    filters: Mapping[str, str] = field(default_factory=dict)
    admin: bool = False

    def narrowed(self, filters: Mapping[str, str]) -> dict[str, str]:
        """The filters of a request together with those of the caller.

        Raises:
            Refusal: 403, the two contradict each other.
        """
        for name, value in self.filters.items():
            if filters.get(name, value) != value:
                raise Refusal(403, "outside", f"this token sees only documents with {name}={value}")
        return {**filters, **self.filters}

    def sees(self, metadata: Mapping[str, str]) -> bool:
        """Whether a document with these attributes exists for this caller."""
        return all(metadata.get(name) == value for name, value in self.filters.items())


class Access:
    """Admits callers."""

    def __init__(self, tokens: Tokens, settings: ServingSettings) -> None:
        self._tokens = tokens
        self._settings = settings
        self._buckets = OrderedDict[str, tuple[float, float]]()

    def admit(self, headers: Mapping[str, str], address: str, scope: str, always: bool) -> Caller:
        """The caller of a request.

        A request without a token is admitted if it comes from a program on this machine, unless the operation or the
        settings require a token, or a token is limited by filters: that limit would be worth nothing. A web page whose
        name was made to point here, and what a proxy passes on, do not count as this machine.

        Args:
            headers: of the request, by their names in lower case.
            address: that the request comes from.
            scope: that a token must have.
            always: whether the operation requires a token.

        Raises:
            Refusal: 401 without a token or with an unknown one, 403 beyond its scope, 429 for too many requests.
        """
        caller = self._caller(headers, address, scope, always)
        self._count(caller.name)
        return caller

    def _caller(self, headers: Mapping[str, str], address: str, scope: str, always: bool) -> Caller:
        authorization = headers.get("authorization")
        if authorization is None:
            if reason := self._token_reason(headers, address, always):
                self._count(address)
                raise Refusal(401, "no_token", f"{reason}: {_HOW}")
            return Caller(address)
        kind, _, secret = authorization.partition(" ")
        token = self._tokens.find(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            self._count(address)
            raise Refusal(401, "bad_token", "this token is unknown, revoked or expired")
        caller = Caller(f"token {token.name}", token.filters, token.allows("admin") and not token.filters)
        if not token.allows(scope):
            self._count(caller.name)
            raise Refusal(403, "scope", f"this needs a token of scope {scope}; yours has scope {token.scope}")
        return caller

    def _token_reason(self, headers: Mapping[str, str], address: str, always: bool) -> str | None:
        """Why a request needs a token; None if it does not."""
        if always or self._settings.require_token:
            return "this needs a token"
        if self._tokens.limited:
            return "one of the tokens is limited by filters, so every request needs a token"
        if not is_loopback(address) or any(name in headers for name in _FORWARDED):
            return "requests from another machine need a token"
        if not is_loopback_host(headers.get("host", "")):
            return "requests without a token must name localhost as their host"
        return None

    def _count(self, name: str) -> None:
        most, now = float(self._settings.per_second), time.monotonic()
        left, then = self._buckets.pop(name, (most, now))
        left = min(most, left + (now - then) * most)
        self._buckets[name] = (max(0.0, left - 1), now)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise Refusal(
                429,
                "too_often",
                f"you sent more than {plural(self._settings.per_second, 'request')} a second: slow down",
            )


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` header, with a port or without, is localhost or a loopback address."""
    match = _HOST.fullmatch(host)
    name = match[1].strip("[]").lower() if match else ""
    return name == "localhost" or is_loopback(name)
