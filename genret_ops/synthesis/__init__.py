"""Synthetic queries: the Context2ID and Query2ID rows that a docid model learns from, and the queries that judge it.

`extractive` writes queries out of a corpus's own words, without a language model. Others are written before a build
samples (`written`): `recorded` reads those of people or another home, `generated` those of a language model that the
stage `generation_stage` asked. `filters` refuses what nobody would ask and weighs the rest, and `generators` joins
written and extractive queries. `queries` decides which passages are asked about and which queries train, tune and judge
(docs/method.md, "Context2ID and Query2ID"); `kinds` is a table of what is true of each.

A language model is asked so: `generation` makes the requests from `prompts`, a `language_model` answers, and
`generation_store` keeps answers and account. `dataset` is a training set as a folder for others. Nothing here knows a
docid model: rows go out as `SyntheticQuery` records.
"""
