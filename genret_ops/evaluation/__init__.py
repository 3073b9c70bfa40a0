"""How good a run is, how sure one can be of it, and the page that shows it.

metrics.py scores one ranked list, significance.py compares two systems query by query, report.py writes what came
out as a page, as JSON and as a table for a terminal. These three know neither a model nor a store: rankings and
numbers go in, numbers and files come out.
"""
