"""A refused request: a status, a code for programs and a sentence for people."""

from collections.abc import Mapping


class Refusal(Exception):
    """A request that the service refuses.

    Args:
        status: of HTTP.
        code: a stable code, for programs.
        message: what is wrong, then what to do.
        headers: those that go with the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
