"""A tiny causal language model with a word-level tokenizer, and a made-up corpus that it learns within a minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import csr_array

from genret_ops.identifiers.keywords import assign
from genret_ops.records import SyntheticQuery
from genret_ops.settings import CausalSettings, ModelSettings, Settings
from genret_ops.storage.language_models import load_tokenizer
from genret_ops.training.causal.dataset import prepare_causal_job
from genret_ops.training.causal.job import CausalJob

_SLOTS = (
    ("baker", "sailor", "miller", "tailor", "hunter", "doctor", "singer", "farmer", "painter", "weaver", "potter"),
    ("lantern", "bridge", "kettle", "violin", "ladder", "barrel", "mirror", "saddle", "anchor", "basket", "candle"),
    ("harbour", "meadow", "castle", "market", "forest", "island", "valley", "desert", "garden", "quarry", "chapel"),
    ("spring", "summer", "autumn", "winter", "sunrise", "sunset", "midnight", "harvest", "carnival", "frost", "noon"),
)
_JOINTS = ("keeps", "near", "before", "and")
_WIDTH = 64


@dataclass(frozen=True)
class TinyCorpus:
    """Passages of four words that matter, each passage a document of its own; the words are its keywords."""

    words: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, count: int) -> "TinyCorpus":
        """The first passages of a fixed shuffle: a corpus of more begins with those of fewer."""
        every = list(product(*_SLOTS))
        random.Random(0).shuffle(every)
        return cls(every[:count])

    @property
    def texts(self) -> list[str]:
        return [f"{who} keeps {what} near {where} before {when}" for who, what, where, when in self.words]

    def identifiers(self, model: Path, existing: pa.Table | None = None) -> pa.Table:
        """Keyword identifiers; those of `existing` stay."""
        tokenizer = load_tokenizer(str(model))

        def tokenize(text: str) -> list[int]:
            tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
            return tokens

        new = assign(existing, list(enumerate(self.words)), "delta-00000", tokenize)
        return new if existing is None else pa.concat_tables([existing, new])

    def questions(self, members: Sequence[int], split: str, seed: int, each: int = 8) -> list[SyntheticQuery]:
        """Questions with two or three of a passage's words, in random order."""
        rng = random.Random(f"{split}/{seed}")
        rows = [
            SyntheticQuery(self._question(docid, rng), "sentence", (str(docid),), split, "by hand", seed)
            for docid in members
            for _ in range(each)
        ]
        rng.shuffle(rows)
        return rows

    def _question(self, docid: int, rng: random.Random) -> str:
        slots = sorted(rng.sample(range(len(_SLOTS)), rng.choice([2, 3, 3])))
        words = [f"{self.words[docid][slot]} {rng.choice(('', _JOINTS[-1]))}".strip() for slot in slots]
        return " ".join(words)


def write_tiny_model(folder: Path, tied: bool = False) -> None:
    """A Llama of two layers with random weights, and a tokenizer of the corpus's words.

    Args:
        folder: where it is written.
        tied: whether the same rows read and write tokens, as in SmolLM2.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = [
        "<end>",
        "<unknown>",
        "Question:",
        "Passage:",
        "Identifier:",
        *_JOINTS,
        *(w for slot in _SLOTS for w in slot),
    ]
    vocabulary = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    backend.normalizer = normalizers.Replace(",", " ")
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", unk_token="<unknown>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=tied,
    )
    network = LlamaForCausalLM(config)
    with torch.no_grad():  # LoRA leaves both as they are: rows as small as these could never prefer a word
        network.model.embed_tokens.weight.mul_(10 if tied else 50)
        if not tied:
            network.lm_head.weight.mul_(20)
    network.save_pretrained(folder)


def tiny_settings(model: Path, **training: float) -> Settings:
    """Settings under which the tiny model learns two hundred passages."""
    settings = Settings(
        causal=CausalSettings(model=str(model), prompt_tokens=32),
        model=ModelSettings(rank=_WIDTH, alpha=2 * _WIDTH),
    )
    return settings.with_training(**{"steps": 200, "batch": 64, "lr_adapter": 5e-3, **training})


def tiny_job(
    folder: Path,
    settings: Settings,
    corpus: TinyCorpus,
    queries: Sequence[SyntheticQuery],
    identifiers: pa.Table | None = None,
    live: Sequence[int] | None = None,
    parent: Path | None = None,
    known: Sequence[int] = (),
) -> CausalJob:
    """A job on the corpus; docids that are not in `live` have left it."""
    count = len(corpus.words)
    present = sorted(range(count) if live is None else live)
    rows = np.zeros(count + 1, dtype=np.int64)
    rows[1:] = np.cumsum(np.isin(np.arange(count), present))
    documents = csr_array((np.ones(len(present), dtype=np.int32), np.array(present), rows), shape=(count, count))
    names = corpus.identifiers(Path(settings.causal.model)) if identifiers is None else identifiers
    docid_of = {str(docid): docid for docid in range(count)}
    return prepare_causal_job(folder, settings, corpus.texts, names, queries, docid_of, documents, parent, known)


def hits(job: CausalJob, stage: str, questions: Sequence[SyntheticQuery], k: int = 10) -> np.ndarray:
    """Whether the passage of each question is among the k that the model writes first, shape (questions,)."""
    answers = job.learned(stage).generate([query.text for query in questions], job.writable, job.live, k, k)
    right = [int(query.positives[0]) for query in questions]
    return np.array([docid in [name for name, _ in answer] for docid, answer in zip(right, answers, strict=True)])
