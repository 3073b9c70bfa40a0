"""How good a release is, how sure that is, and the pages that show it.

metrics.py scores ranked lists, significance.py compares two systems query by query, datasets.py reads benchmarks,
baselines.py and untrained.py hold the systems that a benchmark compares, training_worth.py says how much of a training
counts, fusion_tuning.py fits fusion and picks the default mode, suite.py puts corpora together,
model_metrics.py measures what the gate asks, benchmark.py and continual_summary.py make the results of a run, and
reports/ shows them. Nothing here knows the registry.
"""
