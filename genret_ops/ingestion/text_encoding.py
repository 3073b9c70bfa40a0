"""Bytes to text, and the one exception by which a reader refuses an input.

This module knows encodings; it does not know formats, folders or documents.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Without a byte-order mark these are guessed far more often for noise than for text: EBCDIC and the wide encodings.
_NOT_GUESSED = [
    *("utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"),
    *("cp037", "cp1026", "cp1140", "cp273", "cp424", "cp500", "cp875"),
]
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE_LENGTH = 100_000
_MAX_CONTROL_SHARE = 0.01
_COHERENCE_MARGIN = 0.2
UNREACHED = "cannot be reached"
"""The reason for an input that its file system does not give now but may give later: nobody knows what it holds."""


class InputRefused(Exception):
    """An input that cannot become documents.

    Its reader turns it into a `Quarantined` record, so it never leaves this room.

    Args:
        reason: the stored reason, such as `empty` or `unreadable`.
        detail: what a person needs to know to mend it.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@contextmanager
def refuse_on_error(where: str = "", reason: str = "unreadable") -> Iterator[None]:
    """Turn any error inside into a refusal of the input, with the error as its detail.

    Put only calls to converters inside or, with the reason UNREACHED, only calls to file systems: their errors have no
    common base class. A file that is no longer there is `unreadable` in either case.

    Args:
        where: where in the file this happens, such as `"after line 7: "`; it begins the detail.
        reason: the reason of the refusal.

    Raises:
        InputRefused: something inside went wrong.
    """
    try:
        yield
    except InputRefused:
        raise
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        reason = "unreadable" if isinstance(error, FileNotFoundError) else reason
        raise InputRefused(reason, f"{where}{type(error).__name__}: {cause}") from error


def clean(text: str) -> str:
    """`text` in a form that every store can hold: without NUL, and with U+FFFD for lone surrogates."""
    text = text.replace("\0", "")
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def clean_name(name: str) -> str:
    """A file name with U+FFFD for the surrogates that stand for its undecodable bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode(data: bytes) -> str:
    r"""The text of a file, with `\n` for every line end.

    Byte-order marks and UTF-8 come first; charset_normalizer guesses the rest.

    Raises:
        InputRefused: `empty` (nothing but white space), `binary`, or `unreadable` (its bytes do not fit its byte-order
            mark).

    Example:
        >>> decode("café".encode("cp1252"))
        'café'
    """
    text = clean(_decode(data)).replace("\r\n", "\n").replace("\r", "\n")
    sample = text[:_SAMPLE_LENGTH]
    if len(_CONTROL_CHARACTER.findall(sample)) > _MAX_CONTROL_SHARE * len(sample):
        raise InputRefused("binary", "too many control characters for a text")
    if not text or text.isspace():
        raise InputRefused("empty", "only white space" if data else "the file has no bytes")
    return text


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            with refuse_on_error():
                return data.decode(encoding)
    if b"\0" in data:
        raise InputRefused("binary", f"a NUL byte at offset {data.index(0)}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(data)


def _guess(data: bytes) -> str:
    """The likeliest reading of bytes that are not UTF-8.

    If several single-byte encodings fit about equally well, as they do for short Western texts, windows-1252 is taken:
    it is by far the commonest, and the default of the WHATWG Encoding Standard as well.
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(data, cp_exclusion=_NOT_GUESSED)
    best = matches.best()
    if best is None:
        raise InputRefused("binary", "its bytes fit no text encoding")
    for match in matches:
        if (
            "cp1252" in match.could_be_from_charset
            and match.chaos <= best.chaos
            and match.coherence >= best.coherence - _COHERENCE_MARGIN
        ):
            return str(match)
    return str(best)
