"""What must hold of the data before anything is built on it: Great Expectations suites, one module a table.

A module gives the `frame` of its table, with a column for every fact that takes more than one row to see, the `suite`
of expectations about it, and in `KEY` the columns that tell a person which row is meant. run.py validates, checks.py
tells Dagster.
"""
