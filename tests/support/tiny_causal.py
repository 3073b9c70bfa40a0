"""A tiny causal language model with a word-level tokenizer, and a made-up corpus that it can learn in seconds."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array

from genret_ops.records import SyntheticQuery
from genret_ops.settings import CausalSettings, ModelSettings, Settings, SynthesisSettings
from genret_ops.synthesis.extractive import ExtractiveGenerator, SourcePassage
from genret_ops.training.causal.dataset import prepare_causal_job
from genret_ops.training.causal.job import CausalJob

_WORDS = {
    "who": "baker sailor miller tailor hunter doctor singer farmer painter weaver".split(),
    "what": "lantern bridge kettle violin ladder barrel mirror saddle anchor basket".split(),
    "where": "harbour meadow castle market forest island valley desert garden quarry".split(),
    "when": "spring summer autumn winter sunrise sunset midnight harvest carnival frost".split(),
    "how": "quietly slowly boldly gladly rarely nightly kindly proudly wildly neatly".split(),
    "made": "copper willow marble velvet silver cedar amber wool iron glass".split(),
}
_SENTENCES = ("{who} left {made} {what} in {where} before {when}", "{when} {where} saw {who} mend {what} {how}")


def passages(count: int, seed: int = 0) -> list[SourcePassage]:
    """Passages of two sentences, each with its own six words out of sixty."""
    rng, chosen = random.Random(seed), dict[tuple[str, ...], None]()
    while len(chosen) < count:
        chosen[tuple(rng.choice(words) for words in _WORDS.values())] = None
    made = list[SourcePassage]()
    for number, words in enumerate(chosen):
        sentences = tuple(sentence.format(**dict(zip(_WORDS, words, strict=True))) for sentence in _SENTENCES)
        text = ". ".join(sentences)
        made.append(SourcePassage(f"p{number}", frozenset({f"d{number}"}), "", text, sentences, {}))
    return made


def keywords(passage: SourcePassage) -> list[str]:
    """The six words that tell a passage from the others."""
    known = {word for words in _WORDS.values() for word in words}
    return list(dict.fromkeys(word for word in passage.text.replace(".", "").split() if word in known))


def write_tiny_model(folder: Path, layers: int = 2, width: int = 64) -> None:
    """A Llama with random weights, and a tokenizer of the corpus's words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = sorted({*" ".join(_SENTENCES).split(), *(word for words in _WORDS.values() for word in words)})
    vocabulary = {word: number for number, word in enumerate(["<end>", "<unknown>", ".", ":", "?", ",", *words])}
    for word in ("Question", "Passage", "Identifier"):
        vocabulary.setdefault(word, len(vocabulary))
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", unk_token="<unknown>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    network = LlamaForCausalLM(config)
    with torch.no_grad():  # LoRA leaves them as they are: rows as small as these could never prefer a word
        network.model.embed_tokens.weight.mul_(10)
    network.save_pretrained(folder)


def tiny_settings(model: Path, **training: object) -> Settings:
    """Settings under which the tiny model learns the corpus."""
    synthesis = SynthesisSettings(chunk=1, sentence=2, constraint=0, multihop=0, context=0)
    settings = Settings(
        causal=CausalSettings(model=str(model), prompt_tokens=64),
        model=ModelSettings(rank=64, alpha=128),
        synthesis=synthesis,
    )
    return settings.with_training(**{"steps": 150, "batch": 32, "lr_adapter": 5e-3, **training})


def questions(corpus: Sequence[SourcePassage], members: Sequence[int], epoch: int, split: str) -> list[SyntheticQuery]:
    """Questions about some passages, as the extractive generator writes them."""
    synthesis = SynthesisSettings(chunk=1, sentence=2, constraint=0, multihop=0, context=0)
    return ExtractiveGenerator(corpus, synthesis, {}, seed=0).epoch(epoch, members, split, hard=split == "hard")


def tiny_job(
    folder: Path,
    settings: Settings,
    corpus: Sequence[SourcePassage],
    identifiers: Sequence[Sequence[int]],
    queries: Sequence[SyntheticQuery],
    live: Sequence[int] | None = None,
    parent: Path | None = None,
    known: Sequence[int] = (),
) -> CausalJob:
    """A job on the corpus in which every passage is a document; docids that are not in `live` have left."""
    present = np.zeros(len(corpus), dtype=np.int32)
    present[list(range(len(corpus)) if live is None else live)] = 1
    documents = csr_array(np.diag(present))
    documents.eliminate_zeros()
    texts = [passage.text for passage in corpus]
    docid_of = {passage.passage_id: docid for docid, passage in enumerate(corpus)}
    return prepare_causal_job(folder, settings, texts, identifiers, queries, docid_of, documents, parent, known)
