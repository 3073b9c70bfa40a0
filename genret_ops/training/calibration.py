"""Minutes into steps: once, by a few timed steps on the corpus's own sentences, and recorded.

The recorded figure is used ever after, so that the same budget gives the same steps and the same result.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.settings import Settings
from genret_ops.storage.files import write_atomically
from genret_ops.training.sft import candidates, target
from genret_ops.training.trainer import Trainer

_STEPS = 4


def steps_for(minutes: float, settings: Settings, sentences: Sequence[str], record: Path) -> int:
    """SFT steps that fit into `minutes` on this machine, at least 1; measured once, kept in `record`."""
    what = {"encoder": settings.model.encoder, "batch": settings.training.batch, "rank": settings.model.rank}
    what |= {"negatives": settings.training.negatives, "query_tokens": settings.model.query_tokens}
    kept = json.loads(record.read_text()) if record.exists() else {}
    if kept.get("of") != what:
        kept = {"of": what, "seconds_per_step": round(seconds_per_step(settings, sentences), 4)}
        write_atomically(record, json.dumps(kept, indent=1).encode())
    seconds = float(kept["seconds_per_step"])
    return max(1, int(60 * minutes / seconds))


def seconds_per_step(settings: Settings, sentences: Sequence[str]) -> float:
    """Median seconds of an SFT step with rows and queries of the usual size."""
    training, rng = settings.training, np.random.default_rng(0)
    count = 2 * training.negatives
    dimension = Encoder.load(settings.model.encoder, settings.model.query_tokens).dimension
    vectors = rng.standard_normal((8 * count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = Rows(vectors.astype(np.float16), np.arange(0, 8 * count + 1, 8))
    learner = Trainer(settings, rows, None)
    learner.optimise(_STEPS)
    taken = list[float]()
    for step in range(_STEPS):
        started = time.perf_counter()
        texts = [
            sentences[index % len(sentences)] for index in range(step * training.batch, (step + 1) * training.batch)
        ]
        wanted = [[int(docid)] for docid in rng.integers(0, count, training.batch)]
        docids = candidates(wanted, np.zeros((count, 0), dtype=np.int64), training.negatives, np.arange(count), rng)
        logits = learner.head(learner.encoder(texts), docids)
        learner.step(-(target(wanted, docids) * logits.log_softmax(-1)).sum(-1).mean())
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[1:]))
