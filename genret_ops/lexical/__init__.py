"""Lexical retrieval: BM25 over passages, and what words mean that a passage shares with a query; without a model.

`bm25` indexes texts (with bm25s) and lays changed texts over an index that is already built; `sequences` keeps their
stems in order; `proximity` and `coverage` say what shared words mean beyond BM25; `index` joins them into the
`LexicalIndex` of a corpus snapshot. The room stands below synthesis and training because both need its neighbours
(docs/decisions.md, 6). Nothing here knows a query plan, filters or docids.
"""
