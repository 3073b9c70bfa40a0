"""Data checks: what must hold of the data before anything is built on it, as Great Expectations suites.

Each module of `suites/` is about one table. It makes the `frame` that is checked, with a column for every fact that
takes more than one row to see, and the `suite` of expectations about it; `figures` compare deltas, and `KEY` names the
columns by which a person recognises a row. `runner` validates, `dagster_checks` reports to Dagster, and `data_docs`
makes the page for people.
"""
