"""Stage 1: the model learns questions and passages together with their identifiers, by TRL's SFTTrainer.

loss = -log P(d', q), a mean over the tokens of the step: those of the question or the passage, those of the identifier,
and the token that ends it. Rows come tokenised, Context2ID and Query2ID in turn (dataset.py).
"""

from typing import Any

import numpy as np

from genret_ops.modeling.causal.prompts import CONTEXT, QUERY, Prompts
from genret_ops.training.causal.dataset import passage_order, question_order
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.causal.trainer import (
    arguments,
    check_ready,
    device_plan,
    network_with_lora,
    run,
    save_adapter,
    scheduled,
)
from genret_ops.training.trainer import TrainingProgress


def rows(job: CausalJob) -> Any:
    """The rows of all steps.

    Args:
        job: the job.

    Returns:
        A `datasets.Dataset` with `input_ids`, in the order in which they are learned.
    """
    from datasets import Dataset

    training = job.settings.training
    prompts = Prompts(job.tokenizer, job.settings.causal.prompt_tokens)
    passages, questions = job.table("passages").to_pydict(), job.table("queries").to_pydict()
    memorised = list(zip(passages["text"], passages["docid"], strict=True))
    pairs = [
        (text, docid)
        for text, docids in zip(questions["text"], questions["docids"], strict=True)
        for docid in docids  # a question with two answers teaches each
    ]
    endings = job.endings
    tokens = [
        [*prompt, *endings[docid]]
        for kind, texts in ((CONTEXT, memorised), (QUERY, pairs))
        for prompt, (_, docid) in zip(prompts.of(kind, [text for text, _ in texts]), texts, strict=True)
    ]
    count = job.sft_steps * training.batch
    half = -(-count // 2)
    contexts = passage_order(np.array(passages["known"], dtype=bool), training.replay, half, training.seed)
    queries = question_order(len(pairs), half, training.seed) + len(memorised)
    order = np.stack([contexts, queries], axis=1).ravel()[:count]
    return Dataset.from_dict({"input_ids": tokens}).select(order)


def shortest_first(dataset: Any, batch: int) -> Any:
    """The rows with those of each step sorted by length, so that rows that pass through the model together are alike.

    The loss of a step is one mean over all of its tokens, so their order inside it changes nothing but the padding.

    Args:
        dataset: the rows of `rows`.
        batch: how many make a step.
    """
    lengths = np.array([len(row) for row in dataset["input_ids"]])
    return dataset.select(np.lexsort((lengths, np.arange(len(lengths)) // batch)))


def trainer(job: CausalJob) -> Any:
    """TRL's trainer of the stage, with the model, its rows and its loss."""
    from trl import SFTConfig, SFTTrainer

    training = job.settings.training
    dataset = shortest_first(rows(job), training.batch)
    network = network_with_lora(job.settings, job.parent / "adapter" if job.parent else None, job.reserved)
    how = device_plan(network, training.batch, max(map(len, dataset["input_ids"])))
    config = SFTConfig(
        **arguments(job, "sft", job.sft_steps, training.lr_adapter, how),
        max_length=None,
        padding_free=how.padding_free,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    if how.padding_free:
        network.set_attn_implementation("flash_attention_2")
    return scheduled(SFTTrainer, training.warmup)(
        network, args=config, train_dataset=dataset, processing_class=job.tokenizer
    )


def train(job: CausalJob, progress: TrainingProgress) -> None:
    """Run the stage from its last checkpoint to its end and write `sft/`; nothing if it is done.

    An update is mixed with the adapter that it grew from (docs/decisions.md, 50).

    Raises:
        GenretError: TRL is not installed, the model cannot be loaded, or there are several GPUs and one process.
    """
    if (job.folder / "sft").exists():
        return
    check_ready(job, "sft")
    network = run(job, "sft", lambda: trainer(job), progress)
    save_adapter(job, "sft", network, 1 - job.settings.training.mixing if job.parent else 0.0)
