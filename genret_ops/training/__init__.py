"""Training in a process of its own: SFT on synthetic queries, mining of hard negatives, RPO on preference pairs.

The way of a training: `dataset` fills the folder of a `job` with genesis rows and queries; `launcher` starts the
process (`__main__`) that runs the stages `sft`, `hard_negatives` and `rpo` on it; both stages that learn share a
`trainer`, which writes checkpoints. These are the stages of the compact family: those of the others are in `dense` and
`causal`, and `families` chooses. `early_stopping` ends a training that gains nothing more, and `mixing` makes a part of
it count. `prefetch` encodes what an ingest brings while other work goes on, and `calibration` turns minutes into steps.
Nothing here knows releases or how a query is answered (docs/method.md, "Stage 1: SFT", "Hard negatives", "Stage 2:
RPO").
"""
