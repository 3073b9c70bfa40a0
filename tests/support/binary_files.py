"""PDF and DOCX files, as small as they can be."""

import io
import zipfile


def pdf(text: str, information: str = "") -> bytes:
    """The smallest PDF that shows a line of text; `information` are entries of its information dictionary."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj{body} endobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer<</Size 6/Root 1 0 R/Info<<{information}>>>>\nstartxref\n{len(out)}\n%%EOF"
    out += f"xref\n0 6\n0000000000 65535 f \n{table}{trailer}"
    return out.encode()


def docx(heading: str, text: str, core_properties: str = "") -> bytes:
    """The smallest DOCX with a heading and a paragraph; `core_properties` are elements of its core properties."""
    office = "http://schemas.openxmlformats.org"
    content = f"{office}/package/2006/content-types"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    rels = f"{office}/package/2006/relationships"
    root = f"{office}/officeDocument/2006/relationships/officeDocument"
    body = (
        f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{heading}</w:t></w:r></w:p>'
        f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{content}"><Default Extension="rels" ContentType="application/'
        'vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{rels}"><Relationship Id="r1" Type="{root}" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{office}/wordprocessingml/2006/main"><w:body>{body}</w:body>'
        "</w:document>",
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{office}/package/2006/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">{core_properties}'
        "</cp:coreProperties>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, xml in parts.items():
            archive.writestr(name, f'<?xml version="1.0"?>{xml}')
    return buffer.getvalue()
