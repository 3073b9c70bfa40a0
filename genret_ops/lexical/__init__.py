"""Lexical retrieval: BM25 over passages and over their sentences, without a model.

`bm25` indexes texts (with bm25s) and lays changed texts over an index that is already built; `index` joins two such
indexes, of passages and of sentences, into the `LexicalIndex` of a corpus snapshot. The room stands below synthesis and
training because both need its neighbours (docs/decisions.md, 6). Nothing here knows a query plan, filters or docids.
"""
