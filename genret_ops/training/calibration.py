"""Minutes into steps and back: a few timed steps on the corpus's own sentences, measured once and recorded.

The recorded time is used ever after, so that the same budget gives the same steps and the same result.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import query_encoder, query_prompt
from genret_ops.settings import Settings
from genret_ops.storage.files import write_atomically
from genret_ops.training.dense import DenseTrainer
from genret_ops.training.sft import candidates, likelihood_loss
from genret_ops.training.trainer import Trainer

_STEPS = 4
_ROWS_PER_DOCID = 8
_QUERIES = 4
"""Queries of a timed step of the dense and the causal family, which takes as long as it has queries."""


def steps_for(minutes: float, settings: Settings, sentences: Sequence[str], record: Path) -> int:
    """How many SFT steps fit into a time on this machine, at least 1; arguments as for `minutes_of`."""
    return max(1, int(60 * minutes / _recorded_seconds(settings, sentences, record)))


def minutes_of(steps: int, settings: Settings, sentences: Sequence[str], record: Path) -> float:
    """How many minutes SFT steps take on this machine.

    Args:
        steps: number of steps.
        settings: settings of the training.
        sentences: sentences of the corpus.
        record: JSON file that keeps the seconds per step; they are measured again if a setting they depend on changes.
    """
    return steps * _recorded_seconds(settings, sentences, record) / 60


def _recorded_seconds(settings: Settings, sentences: Sequence[str], record: Path) -> float:
    """Seconds of a step, from the record or measured now."""
    measured_with = {
        "encoder": settings.model.encoder,
        "batch": settings.training.batch,
        "rank": settings.model.rank,
        "negatives": settings.training.negatives,
        "query_tokens": settings.model.query_tokens,
        "query_prompt": query_prompt(settings.model),
    }
    if settings.family != "compact":
        measured_with["family"] = settings.family
    if settings.family == "causal":
        measured_with |= {"model": settings.causal.model, "prompt_tokens": settings.causal.prompt_tokens}
    measurement = json.loads(record.read_text()) if record.exists() else {}
    if measurement.get("of") != measured_with:
        measurement = {"of": measured_with, "seconds_per_step": round(seconds_per_step(settings, sentences), 4)}
        write_atomically(record, json.dumps(measurement, indent=1).encode())
    return float(measurement["seconds_per_step"])


def seconds_per_step(settings: Settings, sentences: Sequence[str]) -> float:
    """Median seconds of an SFT step with rows and queries, or passages and queries, of the usual size."""
    if settings.family == "dense":
        return _seconds_per_dense_step(settings, sentences)
    if settings.family == "causal":
        return _seconds_per_causal_step(settings, sentences)
    training, rng = settings.training, np.random.default_rng(0)
    docid_count = 2 * training.negatives
    row_count = _ROWS_PER_DOCID * docid_count
    dimension = query_encoder(settings.model).dimension
    vectors = rng.standard_normal((row_count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = Rows(vectors.astype(np.float16), np.arange(0, row_count + 1, _ROWS_PER_DOCID))
    no_neighbours = np.zeros((docid_count, 0), dtype=np.int64)
    trainer = Trainer(settings, rows, None)
    trainer.set_up_optimisers(_STEPS)
    seconds = list[float]()
    for step in range(_STEPS):
        started = time.perf_counter()
        texts = [
            sentences[index % len(sentences)] for index in range(step * training.batch, (step + 1) * training.batch)
        ]
        positives = [[int(docid)] for docid in rng.integers(0, docid_count, training.batch)]
        docids = candidates(positives, no_neighbours, training.negatives, np.arange(docid_count), rng)
        logits = trainer.head(trainer.encoder(texts), docids)
        trainer.step(likelihood_loss(logits, positives, docids))
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def _seconds_per_dense_step(settings: Settings, sentences: Sequence[str]) -> float:
    """Seconds of a dense step, from steps of a few queries: each has a passage and a neighbour of several sentences."""
    trainer = DenseTrainer(settings, None)
    trainer.set_up_optimisers(_STEPS)
    texts = [sentences[index % len(sentences)] for index in range(2 * _QUERIES * _ROWS_PER_DOCID)]
    passages = [" ".join(texts[index :: 2 * _QUERIES]) for index in range(2 * _QUERIES)]
    docids, seconds = np.arange(len(passages)), list[float]()
    for _ in range(_STEPS):
        started = time.perf_counter()
        cosines = trainer.cosines(texts[:_QUERIES], passages)
        trainer.step(likelihood_loss(cosines, [[docid] for docid in range(_QUERIES)], docids))
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:])) * settings.training.batch / _QUERIES


def _seconds_per_causal_step(settings: Settings, sentences: Sequence[str]) -> float:
    """Seconds of a step of a language model, from steps of a few rows: each is a passage of several sentences."""
    import torch

    from genret_ops.storage.language_models import device_and_dtype, load_tokenizer
    from genret_ops.training.causal.trainer import network_with_lora

    tokenizer, device = load_tokenizer(settings.causal.model), device_and_dtype()[0]
    network = network_with_lora(settings, None).to(device)
    texts = [sentences[index % len(sentences)] for index in range(_QUERIES * _ROWS_PER_DOCID)]
    rows = tokenizer(
        [" ".join(texts[index::_QUERIES]) for index in range(_QUERIES)],
        return_tensors="pt",
        padding=True,
        truncation=True,
        max_length=settings.causal.prompt_tokens,
    ).to(device)
    seconds = list[float]()
    for _ in range(_STEPS):
        started = time.perf_counter()
        network(**rows, labels=rows["input_ids"]).loss.backward()
        if device.type != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:])) * settings.training.batch / _QUERIES
