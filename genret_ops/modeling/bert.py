"""BERT's encoder in torch alone (Devlin et al. 2019): weights and parameter names of transformers' `BertModel`.

AutoModel costs a cold search over four seconds of imports, which is why this small part of it is written again; the two
are compared by a test. Modules are named as there, so that adapters fit either. No pooler, no dropout, no decoder.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention


def is_bert(folder: Path) -> bool:
    """Whether a folder of weights holds a BERT of the kind that this module knows."""
    config, weights = folder / "config.json", folder / "model.safetensors"
    if not (config.exists() and weights.exists()):
        return False
    found = json.loads(config.read_text())
    kind = (found.get("model_type"), found.get("hidden_act"), found.get("position_embedding_type", "absolute"))
    return kind == ("bert", "gelu", "absolute")


class Bert(nn.Module):
    """Token ids to states of `width` numbers."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.width: int = config["hidden_size"]
        self.embeddings = _Embeddings(config)
        layers = nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})

    @classmethod
    def load(cls, folder: Path) -> "Bert":
        """The weights of a folder, float32, mapped from its file: models share the pages that none of them writes to.

        Raises:
            RuntimeError: a weight is missing, or has another shape than the configuration says.
        """
        from safetensors.torch import load_file

        model = cls(json.loads((folder / "config.json").read_text()))
        stored = load_file(folder / "model.safetensors")
        weights = {name.removeprefix("bert."): weight.float() for name, weight in stored.items()}
        kept = {name: weights[name] for name, _ in model.named_parameters() if name in weights}
        model.load_state_dict(kept, assign=True)
        return model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """States of shape (batch, tokens, dimension) as `last_hidden_state`, as transformers gives them."""
        states, seen = self.embeddings(input_ids), attention_mask[:, None, None, :].bool()
        for layer in self.encoder["layer"].children():
            states = layer(states, seen)
        return SimpleNamespace(last_hidden_state=states)


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Nothing: random numbers would be made only to be thrown away."""


class _Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """As above."""


class _Embeddings(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = _Embedding(config["vocab_size"], width)
        self.position_embeddings = _Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = _Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = self.position_embeddings.weight[: ids.shape[1]] + self.token_type_embeddings.weight[0]
        states: torch.Tensor = self.LayerNorm(self.word_embeddings(ids) + places)
        return states


class _Layer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        attention = {"self": _Attention(width, config["num_attention_heads"])}
        self.attention = nn.ModuleDict({**attention, "output": _Output(width, width, config["layer_norm_eps"])})
        self.intermediate = nn.ModuleDict({"dense": _Linear(width, inner)})
        self.output = _Output(inner, width, config["layer_norm_eps"])

    def forward(self, states: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        states = self.attention["output"](self.attention["self"](states, seen), states)
        found: torch.Tensor = self.output(gelu(self.intermediate["dense"](states)), states)
        return found


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (_Linear(width, width) for _ in range(3))

    def forward(self, states: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        shape = (*states.shape[:2], self.heads, -1)
        query, key, value = (part(states).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        return scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    def __init__(self, inner: int, width: int, eps: float) -> None:
        super().__init__()
        self.dense = _Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=eps)

    def forward(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.LayerNorm(self.dense(states) + residual)
        return found
