"""Results for people: HTML pages that hold everything they show, tables for a terminal, plots as SVG.

Numbers go in, text and files come out; nothing here measures.
"""
