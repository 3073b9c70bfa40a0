"""The errors that users see: what was wrong, and what to do about it."""


class GenretError(Exception):
    """Base of every error a user can act on; the command line prints it without a traceback."""


class UnreadableSource(GenretError):
    """A source as a whole cannot be read (no such path, missing extra); a single bad document is quarantined."""


class HomeBusy(GenretError):
    """Another command or run holds what is needed in the home; nothing was changed."""


class DocumentRefused(GenretError):
    """A document that was posted is refused."""


class UnknownDocument(GenretError):
    """No document of that id is here."""


class DataRefused(GenretError):
    """A critical data check failed; nothing was built on the data that it looked at."""


class BrokenRelease(GenretError):
    """A release's files do not match its content hash, or one of them is missing."""


class ReleaseRetired(GenretError):
    """A release was erased with a document, or collected: its files are gone for good."""


class AliasMoved(GenretError):
    """A compare-and-swap on an alias lost: somebody else moved it first."""


class GateRefused(GenretError):
    """The gate's verdict on a release keeps it from becoming champion, or there is none."""


class NothingToSearch(GenretError):
    """A home holds no released index yet."""
