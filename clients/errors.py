"""Why a request brought nothing: it never arrived, it was refused, or its change is still on its way."""

from genret_ops.errors import GenretError


class Unreachable(GenretError):
    """The service did not answer: no connection, a connection that broke, or no answer in time."""


class Refused(GenretError):
    """The service answered that it will not. `code` is one word for programs, `message` a sentence for people.

    `status` is that of HTTP; `request_id` names the exchange in the service's log, and is empty where something
    between the client and the service answered in its place.
    """

    def __init__(self, status: int, code: str, message: str, request_id: str) -> None:
        super().__init__(status, code, message, request_id)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.code}" + (
            f", request {self.request_id})" if self.request_id else ")"
        )


class StillWaiting(GenretError):
    """A ticket did not leave the state `waiting` before the deadline; the change is not lost."""
