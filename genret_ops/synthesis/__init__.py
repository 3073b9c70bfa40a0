"""Synthetic queries: the Context2ID and Query2ID rows that a docid model learns from, and the queries that judge it.

`extractive` writes queries out of a corpus's own words, without a language model. `recorded` reads those that others
wrote, `filters` refuses what nobody would ask and weighs the rest, `written` gives them to an epoch, and `generators`
joins both. `dataset` is a training set as a folder for others. `queries` decides which passages are written about and
which queries train, tune and judge (docs/method.md, "Context2ID and Query2ID"). Nothing here knows a model: rows go out
as `SyntheticQuery` records.
"""
