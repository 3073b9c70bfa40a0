"""From sources to documents: this room reads whatever a home is fed with, and refuses what it cannot read.

Everything goes in at `readers.read_source` (a folder, a file, an fsspec URL, or the demo source) and comes out as a
stream of `Document` and `Quarantined` records. On the way:

    file_formats    walks folders and reads one file, by its suffix
    conversion      HTML, PDF and DOCX as Markdown, with the attributes they declare
    tables          JSONL, CSV and Parquet, one document a row
    stdlib          the demo source: the standard library of the running interpreter
    front_matter    titles and attributes at the head of a text
    text_encoding   bytes to text
    deduplication   one document for each id and each content
    inbox           documents that were posted one by one
    sources         which sources a home has, and one reading of all of them
    file_watcher    which sources have changed since, by their listing alone

To add a reader for a format, see docs/architecture.md. This room does not know passages, models or releases.
"""
