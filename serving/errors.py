"""What a client is told when a request is not answered: a status, a code for programs and a sentence for people."""

from collections.abc import Mapping


class Refusal(Exception):
    """A request that is not answered as asked; the message says what to do. `headers` go with the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
