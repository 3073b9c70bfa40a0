"""Synthetic queries: the Context2ID and Query2ID rows that a docid model learns from, and the queries that judge it.

`extractive` writes queries out of a corpus's own words, without a language model, `recorded` reads those that others
wrote, and `generators` joins the two; `queries` decides which passages it
writes about and which queries train, tune and judge (docs/method.md, "Context2ID and Query2ID"). Nothing here knows a
model: rows go out as `SyntheticQuery` records.
"""
