"""Identifiers of codes: their tokens, which no model knows, are learned, kept with the adapter, and copied for RPO."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from genret_ops.identifiers.codes import Codebooks, assign
from genret_ops.modeling.causal import network as networks
from genret_ops.modeling.causal.network import open_network, reserved_tokens
from genret_ops.storage.language_models import vocabulary_of
from genret_ops.training.causal import rpo, sft, trainer
from genret_ops.training.causal.dataset import prepare_causal_job
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.hard_negatives import pair_table
from tests.support.tiny_causal import TinyCorpus, hits, tiny_job, tiny_settings, write_tiny_model

COUNT = 40


def quiet(done: int, total: int, loss: float) -> None: ...


def code_job(folder: Path, model: Path, count: int = COUNT, **training: float) -> CausalJob:
    """A job whose identifiers are codes: passages that share words share codes."""
    corpus, settings = TinyCorpus.of(count), tiny_settings(model, **training)
    words = sorted({word for passage in corpus.words for word in passage})
    vectors = np.array([[word in passage for word in words] for passage in corpus.words], dtype=np.float32)
    books = Codebooks.fit(vectors, levels=2, clusters=8, first_token=vocabulary_of(str(model)), seed=0)
    folder.mkdir()
    books.save(folder / "codebooks.npz")
    names = assign(None, range(count), vectors, "delta-00000", books)
    queries = corpus.questions(range(count), "train", 0, each=16) + corpus.questions(range(count), "hard", 0, each=1)
    docid_of = {str(docid): docid for docid in range(count)}
    documents = tiny_job(folder / "keywords", settings, corpus, queries).documents
    codebooks = folder / "codebooks.npz"
    return prepare_causal_job(
        folder / "job", settings, corpus.texts, names, queries, docid_of, documents, codebooks=codebooks
    )


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CausalJob:
    """A job that has learned to write codes."""
    folder = tmp_path_factory.mktemp("codes")
    write_tiny_model(folder / "model", tied=request.param)
    made = code_job(folder / "codes", folder / "model", steps=150)
    sft.train(made, quiet)
    return made


def test_the_model_learns_to_write_them(job: CausalJob) -> None:
    first = vocabulary_of(job.settings.causal.model)
    assert job.reserved == range(first, first + 24) == reserved_tokens(job.adapter("sft"))
    unseen = TinyCorpus.of(COUNT).questions(range(COUNT), "gate", 1, each=2)
    tied = AutoConfig.from_pretrained(job.settings.causal.model).tie_word_embeddings
    assert hits(job, "sft", unseen).mean() > (0.5 if tied else 0.9), "by chance it is a quarter"
    weights = load_file(job.adapter("sft") / "adapter_model.safetensors")
    rows = {name: weight for name, weight in weights.items() if "lora" not in name}
    assert {weight.shape[0] for weight in rows.values()} == {24} and len(rows) == (1 if tied else 2)


def test_what_is_opened_is_the_same_every_time(job: CausalJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def logits() -> torch.Tensor:
        with open_network(job.settings.causal.model, job.adapter("sft")).in_use() as network, torch.inference_mode():
            answer: torch.Tensor = network(input_ids=torch.tensor([[5, 9, job.reserved.start]])).logits.float()
        return answer

    whole = logits()
    assert whole.shape[-1] == job.reserved.stop and torch.equal(whole, logits())
    monkeypatch.setattr(networks, "device_and_dtype", lambda: (torch.device("cpu"), torch.bfloat16))
    networks._shared.cache_clear()
    assert (logits() - whole).abs().max() < whole.abs().max() / 20
    networks._shared.cache_clear()


def test_rpo_begins_at_the_reference_and_moves_the_codes(job: CausalJob) -> None:
    questions = job.table("queries")["text"].to_pylist()[:32]
    job.write_table("pairs", pair_table([(text, 1, 2, 0) for text in questions]))
    varied = CausalJob(job.folder)
    (job.folder / "job.json").write_text(
        job.settings.with_training(batch=8, rpo_steps=3, rpo_lr=1e-3).model_dump_json()
    )
    network = rpo.trainer(varied, 3).model
    copies = [name for name, _ in network.named_parameters() if name.endswith(".ref") or ".ref." in name]
    assert any("token_adapter" in name for name in copies)
    for name in copies:
        assert torch.equal(network.get_parameter(name), network.get_parameter(name.replace(".ref", ".default")))
    rpo.train(varied, quiet)
    before, after = (load_file(varied.adapter(stage) / "adapter_model.safetensors") for stage in ("sft", "rpo"))
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if "lora" not in name)


def test_a_stopped_training_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = (code_job(tmp_path / name, tiny_model, 8, steps=6, batch=8) for name in ("whole", "stopped"))
    sft.train(whole, quiet)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)

    def stop(done: int, total: int, loss: float) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft.train(stopped, stop)
    assert stopped.resumed_step("sft") == 3
    sft.train(stopped, quiet)
    before, after = (load_file(job.adapter("sft") / "adapter_model.safetensors") for job in (whole, stopped))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
