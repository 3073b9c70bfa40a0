"""What a client is told when a request is not answered: a status, a code for programs and a sentence for people."""


class Refusal(Exception):
    """A request that is not answered as asked; the message says what to do, and `after` how many seconds."""

    def __init__(self, status: int, code: str, message: str, after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = {} if after is None else {"Retry-After": str(after)}
