"""Synthetic queries: the Context2ID and Query2ID rows that a docid model learns from, and the queries that judge it.

`extractive` writes queries out of a corpus's own words, `recorded` reads those that others wrote, `generated` those of
a language model out of the home's store, and `generators` joins them; `queries` decides which passages they are about
and which queries train, tune and judge (docs/method.md, "Context2ID and Query2ID"). `written` has a language model
write what is missing: `generation` makes the requests from `prompts`, a `language_model` answers, `generation_store`
keeps answers and account. Nothing here knows a docid model: rows go out as `SyntheticQuery` records.
"""
