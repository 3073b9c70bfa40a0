"""What a user would take instead of a release: systems without training, asked the questions of the gate."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.metrics import reciprocal_rank
from genret_ops.evaluation.model_metrics import DEPTH, Question
from genret_ops.evaluation.untrained import UntrainedSystems
from genret_ops.registry.loading import untrained_model
from genret_ops.retrieval.index import Index
from genret_ops.settings import Settings

_LEXICAL = ("bm25_metadata", "bm25_rm3")


def alternatives(home: Path, index: Index, settings: Settings, questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """Reciprocal rank, within ten, of each question under the systems of a benchmark that need no training.

    Args:
        home: the home folder, whose cache holds the genesis rows.
        index: the index of the corpus head.
        settings: the encoder and its rows.
        questions: the questions.

    Returns:
        By system, as the benchmark names it, shape (questions,).
    """
    genesis = untrained_model(home, index.head, settings)
    with TemporaryDirectory() as scratch:
        untrained = UntrainedSystems(index, genesis.encoder, genesis.scorer.rows.bodies(), Path(scratch))
        systems = Baselines(index, None, genesis, untrained, None, lexical=_LEXICAL)
        runs = list(systems.run([question.text for question in questions]))
    ranks = dict[str, np.ndarray]()
    for system in runs[0] if runs else ():
        of_system = [
            reciprocal_rank(run[system][:DEPTH], question.right) for run, question in zip(runs, questions, strict=True)
        ]
        ranks[system] = np.array(of_system)
    return ranks
