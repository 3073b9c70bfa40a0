"""HTML, PDF and DOCX become the content of a page and the attributes that a file declares."""

import io
import time
import zipfile

import pytest

from genret_ops.ingestion.conversion import convert
from genret_ops.ingestion.text_encoding import InputRefused
from tests.support.binary_files import docx, pdf

HEAD = """<!DOCTYPE html><html><head><title>Cooling towers | Plant notes</title>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="Author" content=" Ann  Lee "><meta name="keywords" content="water, :date:, [bold]x[/bold]">
<meta name="description" content=""><meta property="og:description" content="How towers cool.">
<meta property="og:site_name" content="Plant notes"><meta name="date" content="2024-03-01">
<meta property="article:published_time" content="2023-01-01T10:00:00Z">
<meta property="article:modified_time" content="2024-04-02"></head>"""
STORY = "Water cools the air in the tower, and the air takes a little of the water along."


def html(page: str) -> str:
    return convert(page.encode(), ".html").text


def test_the_head_of_a_page_becomes_attributes_as_it_is_written() -> None:
    page = convert(f"{HEAD}<body><p>{STORY}</p></body></html>".encode(), ".html")
    assert (page.title, page.text) == ("Cooling towers | Plant notes", STORY)
    assert page.attributes == {
        "author": "Ann Lee",
        "keywords": "water, :date:, [bold]x[/bold]",
        "description": "How towers cool.",
        "site_name": "Plant notes",
        "date": "2024-03-01",
        "modified": "2024-04-02",
    }


def test_several_tags_are_one_attribute_and_the_graphs_title_is_the_last_resort() -> None:
    tags = '<meta property="article:tag" content="a"><meta property="article:tag" content="b">'
    page = convert(f'<head>{tags}<meta property="og:title" content="T"></head><p>x</p>'.encode(), ".htm")
    assert (page.title, page.attributes) == ("T", {"keywords": "a, b"})
    assert convert(b"<title> </title><p>x</p>", ".htm").title == ""


@pytest.mark.parametrize(
    "boilerplate",
    [
        '<nav><a href="/">Home</a></nav>',
        "<footer>Imprint</footer>",
        "<header>Plant notes</header>",
        "<aside>Read this next</aside>",
        '<div role="navigation">Menu</div>',
        '<div role="banner">Plant notes</div>',
        '<div role="contentinfo"><div><footer>Imprint</footer></div></div>',
        "<template><p>{{ item }}</p></template>",
        "<script>let x = 1</script>",
        "<style>p { color: red }</style>",
    ],
)
def test_what_frames_a_page_is_left_out(boilerplate: str) -> None:
    assert html(f"<body>{boilerplate}<p>{STORY}</p>{boilerplate}</body>") == STORY
    assert html(boilerplate + f"<p>{STORY}</p>") == STORY, "a page without a body"


def test_a_header_and_an_aside_of_an_article_are_its_own() -> None:
    article = f"<article><header><h1>Towers</h1></header><nav>Up</nav><p>{STORY}</p><aside>1. A note.</aside></article>"
    assert html(f"<body>{article}</body>") == f"# Towers\n\n{STORY}\n\n1. A note."


@pytest.mark.parametrize("content", ["<main>{}</main>", "<article>{}</article>", "<div role='main'>{}</div>"])
def test_the_main_part_is_read_alone_if_it_has_most_of_the_text(content: str) -> None:
    beside = "<div>Cookies? Yes</div>"
    assert html(f"<body>{beside}{content.format(f'<p>{STORY}</p>')}{beside}</body>") == STORY
    both = html(f"<body><div>{STORY} And more of it.</div>{content.format(f'<p>{STORY}</p>')}</body>")
    assert both.count(STORY) == 2, "it has less than half"


def test_a_page_of_several_articles_is_read_whole() -> None:
    assert html("".join(f"<article><p>{name * 30}</p></article>" for name in "abc")).split() == [
        name * 30 for name in "abc"
    ]


def test_a_page_that_is_nothing_but_its_frame_is_read_whole() -> None:
    assert html("<body><nav><p>Alpha</p></nav><footer><p>Imprint</p></footer></body>") == "Alpha\n\nImprint"
    with pytest.raises(InputRefused):
        convert(b" ", ".html")


def test_a_headings_link_to_itself_is_left_out_and_other_links_stay() -> None:
    page = convert(
        '<h1>Air<a href="#air" title="Permalink">\u00b6</a></h1><p><a href="#a">See</a></p>'.encode(), ".html"
    )
    assert (page.title, page.text) == ("Air", "# Air\n\n[See](#a)")


def test_a_title_in_the_banner_stays_the_title() -> None:
    page = convert(f"<body><header><h1>Towers</h1></header><h2>Air</h2><p>{STORY}</p></body>".encode(), ".html")
    assert (page.title, page.text) == ("Towers", f"## Air\n\n{STORY}")
    banner = "<header><h1>Notes</h1></header>"
    for head, content, title in (
        ("<title>Notes on towers</title>", "<h2>Air</h2>", "Notes"),
        ("<title>Towers | Notes</title>", "<h2>Towers</h2>", "Towers"),
        ("<title>Towers | Notes</title>", "", "Towers | Notes"),
        ("", "<h1>Towers</h1>", "Towers"),
    ):
        page = convert(f"{head}<body>{banner}{content}<p>{STORY}</p></body>".encode(), ".html")
        assert page.title == title


def test_odd_pages_are_read_in_moments_and_without_a_warning() -> None:
    start = time.monotonic()
    assert html('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>XHTML</p></body>') == "XHTML"
    assert html("a-page.html") == "a-page.html"
    assert html("<div><nav>" * 1500 + "x") == "x"
    assert html("<div>" * 3000 + f"<header>{STORY}</header>x") == "x"
    assert time.monotonic() - start < 20


def test_properties_of_a_docx_become_attributes() -> None:
    properties = (
        "<dc:title>A declared title</dc:title><dc:creator>Ann Lee</dc:creator><dc:subject>Air</dc:subject>"
        "<cp:keywords>water; air</cp:keywords><cp:category> </cp:category><cp:lastModifiedBy>Bob</cp:lastModifiedBy>"
        "<dcterms:created>2024-03-01T10:00:00Z</dcterms:created><dcterms:modified>2024-03-02T08:00:00Z</dcterms:modified>"
    )
    file = convert(docx("Towers", STORY, properties), ".docx")
    assert (file.title, file.text) == ("Towers", f"# Towers\n\n{STORY}")
    assert file.attributes == {
        "author": "Ann Lee",
        "subject": "Air",
        "keywords": "water; air",
        "created": "2024-03-01",
        "modified": "2024-03-02",
    }
    assert convert(docx("", STORY, properties), ".docx").title == "A declared title"


@pytest.mark.parametrize("core", [None, b"<broken", b"", b"\xff\xfe"])
def test_a_docx_without_sound_properties_is_read(core: bytes | None) -> None:
    source, target = io.BytesIO(docx("Towers", STORY)), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != "docProps/core.xml":
                new.writestr(name, old.read(name))
            elif core is not None:
                new.writestr(name, core)
    file = convert(target.getvalue(), ".docx")
    assert (file.text, file.attributes) == (f"# Towers\n\n{STORY}", {})


def test_properties_of_a_pdf_become_attributes_and_its_title() -> None:
    file = convert(pdf("Helium", "/Title(Gases)/Author(Ann Lee)/Producer(x)/CreationDate(D:20240301100000Z)"), ".pdf")
    assert (file.title, file.text.strip()) == ("Gases", "Helium")
    assert file.attributes == {"author": "Ann Lee", "created": "2024-03-01"}


@pytest.mark.parametrize(
    ("information", "attributes"),
    [
        ("", {}),
        ("/Title(Microsoft Word - draft.doc)", {}),
        ("/Title(untitled)/Author()", {}),
        ("/Title 7/Author/Name/CreationDate(long ago)", {}),
        ("/Author<FEFF004A00FC>", {"author": "J\u00fc"}),
    ],
)
def test_what_a_pdf_declares_only_in_form_is_left_out(information: str, attributes: dict[str, str]) -> None:
    file = convert(pdf("Helium", information), ".pdf")
    assert (file.title, file.text.strip(), file.attributes) == ("", "Helium", attributes)
