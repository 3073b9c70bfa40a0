"""HTML, PDF and DOCX as Markdown, with the titles and attributes that such files declare.

markitdown converts the text; it comes with the `documents` extra. Of an HTML page only the content is read: its
navigation, banners and footers say the same on every page of a site and would be found instead of what the page says.
This module knows the bytes of one file; it does not know folders or sources.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree

from genret_ops.ingestion.front_matter import as_title, first_heading, metadata_values
from genret_ops.ingestion.text_encoding import InputRefused, clean, decode, refuse_on_error

_SIGNATURE_WITHIN = 1024
_EXTRA_MISSING = "to read this format, run: pip install 'genret-ops[documents]'"

_NEVER_CONTENT = ("script", "style", "template", "nav", "footer")
_CONTENT_INSIDE_ARTICLES = ("header", "aside")
_ROLES_OF_NAVIGATION = frozenset({"navigation", "banner", "contentinfo"})
_PERMALINK_MARKS = frozenset({"#", "\u00b6", "\u00a7", "\U0001f517"})
"""What is shown for a heading's link to itself."""
_MOST_OF_THE_TEXT = 0.5
_META_NAMES: Mapping[str, Sequence[str]] = {
    "author": ("author", "article:author", "dc.creator"),
    "description": ("description", "og:description"),
    "keywords": ("keywords", "article:tag"),
    "date": ("date", "article:published_time", "dc.date"),
    "modified": ("article:modified_time", "og:updated_time"),
    "section": ("article:section",),
    "site_name": ("og:site_name",),
}
"""Attribute to the names of `<meta>` elements that give it, the first of them that the page has."""
_CORE_PROPERTIES = "docProps/core.xml"
_DOCX_PROPERTIES = {
    "title": "title",
    "creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "category": "category",
    "created": "created",
    "modified": "modified",
}
"""Core property (Dublin Core and OPC names) to attribute."""
_LONGEST_PROPERTIES = 1 << 20
_PDF_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?")
_NO_PDF_TITLE = re.compile(r"untitled\b|microsoft \w+ - ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConvertedFile:
    """A file as Markdown.

    `title` is its first heading, else the title that it declares, else "". `attributes` are what else it declares.
    """

    text: str
    title: str
    attributes: Mapping[str, str]


def missing_extra(form: str) -> str:
    """What to install before files of a format can be read; "" if nothing is missing.

    Args:
        form: the format's suffix, such as `.pdf`.
    """
    if form not in _FORMATS:
        return ""
    try:
        import markitdown  # noqa: F401
    except ImportError:
        return _EXTRA_MISSING
    return ""


def convert(data: bytes, form: str) -> ConvertedFile:
    """An HTML, PDF or DOCX file as Markdown.

    Args:
        data: the file's bytes.
        form: one of CONVERTED_FORMATS.

    Raises:
        InputRefused: `empty`, `binary`, `unreadable`, or `missing extra`.
    """
    if not data:
        raise InputRefused("empty", "the file has no bytes")
    if _FORMATS[form].signature not in data[:_SIGNATURE_WITHIN]:
        raise InputRefused("unreadable", f"its first bytes are not those of a {form} file")
    if missing := missing_extra(form):
        raise InputRefused("missing extra", missing)
    return _FORMATS[form].read(data)


def _markdown(data: bytes, form: str) -> str:
    from markitdown import FileConversionException, MissingDependencyException, StreamInfo

    about = StreamInfo(extension=form, charset="utf-8" if form == ".html" else None)
    with refuse_on_error(), warnings.catch_warnings():
        _ignore_html_warnings()
        try:
            result = _converter(form).convert_stream(io.BytesIO(data), stream_info=about)
        except FileConversionException as error:
            cause = error.attempts[-1].exc_info[1] if error.attempts else error
            if isinstance(cause, MissingDependencyException):
                raise InputRefused("missing extra", _EXTRA_MISSING) from error
            raise cause from error
    return clean(result.markdown)


@cache
def _converter(form: str) -> Any:
    """A converter for one format alone: with all of them, a broken PDF may pass as plain text."""
    from markitdown import MarkItDown, converters

    converter = MarkItDown(enable_builtins=False, enable_plugins=False)
    converter.register_converter(getattr(converters, _FORMATS[form].converter)())
    return converter


def _ignore_html_warnings() -> None:
    """Keep quiet about pages that are odd and read all the same."""
    from bs4 import UnusualUsageWarning

    warnings.simplefilter("ignore", UnusualUsageWarning)
    # HTML that is nested beyond Python's recursion limit is read as plain text: its words are all there.
    warnings.filterwarnings("ignore", message="HTML document is too deeply nested")


def _read_html(data: bytes) -> ConvertedFile:
    """A page, without what is the same on every page of its site."""
    from bs4 import BeautifulSoup

    page = decode(data)
    with refuse_on_error(), warnings.catch_warnings():
        _ignore_html_warnings()
        soup = BeautifulSoup(page, "html.parser")
        attributes, declared = _declared_in_html(soup)
        page_heading = _heading(soup)
        content = _content(soup)
        content_heading = _heading(content) if content is not None else ""
    text = _markdown(str(content).encode(), ".html") if content is not None else ""
    if not text.strip():
        text = _markdown(page.encode(), ".html")
        content_heading = page_heading
    # The heading in a banner is either the page's title or the name of the site.
    is_page_title = not declared or declared.casefold().startswith(page_heading.casefold())
    heading = page_heading if is_page_title and not content_heading else ""
    heading = as_title(heading) or first_heading(text, "md")
    return ConvertedFile(text, heading or declared, attributes)


def _content(soup: Any) -> Any:
    """What is left of a parsed page without navigation and the like; `soup` loses them.

    If `<main>` or an `<article>` has most of the text, it is the content alone.
    """
    for element in soup.find_all(_is_boilerplate):
        if not element.decomposed:
            element.decompose()
    body = soup.body or soup
    most = _MOST_OF_THE_TEXT * _text_length(body)
    candidates = [*soup.find_all(_is_main), *soup.find_all("article")]
    return next((element for element in candidates if _text_length(element) > most), body)


def _is_boilerplate(element: Any) -> bool:
    if element.name in _NEVER_CONTENT:
        return True
    if element.name in {"html", "body", "main", "article"}:
        return False
    if str(element.get("role", "")).strip().lower() in _ROLES_OF_NAVIGATION:
        return True
    if element.name == "a":
        return str(element.get("href", "")).startswith("#") and element.get_text().strip() in _PERMALINK_MARKS
    return element.name in _CONTENT_INSIDE_ARTICLES and element.find_parent(("main", "article")) is None


def _is_main(element: Any) -> bool:
    return element.name == "main" or str(element.get("role", "")).strip().lower() == "main"


def _text_length(element: Any) -> int:
    """Characters of text, white space left aside."""
    return sum(len("".join(piece.split())) for piece in element.stripped_strings)


def _heading(soup: Any) -> str:
    """The page's first main heading that says something, "" if it has none."""
    return next((text for element in soup.find_all("h1") if (text := _one_line(element.get_text(" ")))), "")


def _declared_in_html(soup: Any) -> tuple[dict[str, str], str]:
    """(attributes, title) that the head of a page declares; "" if it declares no title."""
    values = dict[str, list[str]]()
    for element in soup.find_all("meta"):
        name = str(element.get("name") or element.get("property") or "").strip().lower()
        if value := _one_line(str(element.get("content", ""))):
            values.setdefault(name, []).append(value)
    declared = dict[str, str]()
    for attribute, names in _META_NAMES.items():
        if meta := next((values[name] for name in names if name in values), None):
            declared[attribute] = ", ".join(dict.fromkeys(meta))
    title = _one_line(soup.title.get_text()) if soup.title else ""
    return metadata_values(declared), title or values.get("og:title", [""])[0]


def _read_docx(data: bytes) -> ConvertedFile:
    """A document, whose first heading is its title, else the title that it declares."""
    text, attributes = _markdown(data, ".docx"), _declared(_docx_properties, data)
    declared = attributes.pop("title", "")
    return ConvertedFile(text, first_heading(text, "md") or declared, attributes)


def _read_pdf(data: bytes) -> ConvertedFile:
    """A document with the title that it declares: a PDF's text has no headings."""
    text, attributes = _markdown(data, ".pdf"), _declared(_pdf_properties, data)
    return ConvertedFile(text, attributes.pop("title", ""), attributes)


def _declared(properties: Callable[[bytes], Mapping[str, str]], data: bytes) -> dict[str, str]:
    """What a file declares. No such property makes a file unreadable, however odd it is."""
    with suppress(Exception):
        return metadata_values(properties(data))
    return {}


def _docx_properties(data: bytes) -> dict[str, str]:
    """The core properties of a DOCX file; of its dates the day alone, as the time changes with every click on Save."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(_CORE_PROPERTIES) as file:
        root = ElementTree.fromstring(file.read(_LONGEST_PROPERTIES))
    values = dict[str, str]()
    for element in root:
        attribute = _DOCX_PROPERTIES.get(element.tag.rpartition("}")[2])
        if attribute and element.text:
            value = _one_line(element.text)
            values[attribute] = value[:10] if attribute in {"created", "modified"} else value
    return values


def _pdf_properties(data: bytes) -> dict[str, str]:
    """The title, author and day of creation in the information dictionary of a PDF."""
    values = dict[str, str]()
    for name, value in _pdf_information(data):
        if name == "CreationDate" and (match := _PDF_DATE.match(value)):
            values["created"] = "-".join(filter(None, match.groups()))
        elif name == "Author":
            values["author"] = value
        elif name == "Title" and not _NO_PDF_TITLE.match(value):
            values["title"] = value
    return values


def _pdf_information(data: bytes) -> Iterator[tuple[str, str]]:
    """(name, text) of each entry of a PDF's information dictionaries, the oldest revision first."""
    from pdfminer.pdfdocument import PDFDocument
    from pdfminer.pdfparser import PDFParser
    from pdfminer.pdftypes import resolve1
    from pdfminer.utils import decode_text

    for information in reversed(PDFDocument(PDFParser(io.BytesIO(data))).info):
        for name, stored in information.items():
            value = resolve1(stored)
            if isinstance(value, bytes):
                yield name, _one_line(decode_text(value))


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


@dataclass(frozen=True, slots=True)
class _Format:
    """A format that is converted.

    Attributes:
        signature: what its first bytes hold.
        converter: name of markitdown's converter.
        read: from a file's bytes to its text, title and attributes.
    """

    signature: bytes
    converter: str
    read: Callable[[bytes], ConvertedFile]


_HTML = _Format(b"", "HtmlConverter", _read_html)
_FORMATS: Mapping[str, _Format] = {
    ".html": _HTML,
    ".htm": _HTML,
    ".pdf": _Format(b"%PDF-", "PdfConverter", _read_pdf),
    ".docx": _Format(b"PK", "DocxConverter", _read_docx),
}
CONVERTED_FORMATS = tuple(_FORMATS)
"""The suffixes of the formats that this module reads."""
