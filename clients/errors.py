"""Errors of the client: the service was not reached, it refused, or a change is still waiting."""

from genret_ops.errors import GenretError


class Unreachable(GenretError):
    """The service did not answer: no connection, a connection that broke, or no answer in time."""


class Refused(GenretError):
    """The service refused. `code` is a stable code for programs, `message` a sentence for people.

    `status` is that of HTTP; `request_id` names the exchange in the service's log, and is empty if
    something between the client and the service answered in its place.
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
    """A ticket is still `waiting` at the deadline; the change is not lost."""
