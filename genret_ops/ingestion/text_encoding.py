"""Bytes to text, and the one exception by which a reader refuses an input.

This module knows encodings; it does not know formats, folders or documents.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Without a mark these are found in noise far more often than in files: EBCDIC and the wide encodings.
_NOT_GUESSED = [
    *("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"),
    *("cp037", "cp1026", "cp1140", "cp273", "cp424", "cp500", "cp875"),
]
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE = 100_000
UNREACHED = "cannot be reached"
"""Why an input is refused that a file system would not give now, and may give later: nobody knows what it holds."""
_CONTROL_SHARE = 0.01
_COHERENCE_MARGIN = 0.2


class Refused(Exception):
    """An input that cannot become documents; its reader turns it into a `Quarantined`, so it never leaves `corpus`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@contextmanager
def refusing(where: str = "", reason: str = "unreadable") -> Iterator[None]:
    """Whatever goes wrong inside makes the input refused, for this reason, with `where` and the cause.

    Put only calls into converters inside or, with the reason UNREACHED, only such into file systems: their errors have
    no common base. A file that is no longer there is unreadable in either case.
    """
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        reason = "unreadable" if isinstance(error, FileNotFoundError) else reason
        raise Refused(reason, f"{where}{type(error).__name__}: {cause}") from error


def clean(text: str) -> str:
    """`text` as every store can hold it: no NUL, and lone surrogates (broken JSON escapes) replaced."""
    text = text.replace("\0", "")
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean_name(name: str) -> str:
    """A file name without the surrogates that stand for its undecodable bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode(data: bytes) -> str:
    """The text of a file, line ends as `\\n`.

    Byte-order marks and UTF-8 come first; charset_normalizer guesses the rest.

    Raises:
        Refused: `empty` (nothing but white space), `binary`, or `unreadable` (it contradicts its byte-order mark).
    """
    text = clean(_decode(data)).replace("\r\n", "\n").replace("\r", "\n")
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > _CONTROL_SHARE * len(sample):
        raise Refused("binary", "control characters where text was expected")
    if not text or text.isspace():
        raise Refused("empty", "nothing but white space" if data else "no bytes")
    return text


def _decode(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            with refusing():
                return data.decode(encoding)
    if b"\0" in data:
        raise Refused("binary", f"a NUL byte at offset {data.index(0)}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(data)


def _guess(data: bytes) -> str:
    """The likeliest reading of bytes that are not UTF-8.

    Among single-byte encodings that fit about equally well windows-1252 is taken: short Western texts
    fit several, and it is by far the commonest of them (the WHATWG encoding standard defaults to it too).
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(data, cp_exclusion=_NOT_GUESSED)
    best = matches.best()
    if best is None:
        raise Refused("binary", "no text encoding fits its bytes")
    for match in matches:
        if (
            "cp1252" in match.could_be_from_charset
            and match.chaos <= best.chaos
            and match.coherence >= best.coherence - _COHERENCE_MARGIN
        ):
            return str(match)
    return str(best)
