"""BERT's encoder in torch alone (Devlin et al. 2019), with the weights and names of transformers' `BertModel`.

A cold search would spend over four seconds on the imports of `AutoModel`, so this small part of it is written again; a
test compares the two. Modules are named as in transformers, so that LoRA adapters fit either. There is no pooler, no
dropout and no decoder (docs/decisions.md, 17).
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention


def is_bert(folder: Path) -> bool:
    """Whether a folder of weights holds a BERT that this module can load."""
    config_file, weights_file = folder / "config.json", folder / "model.safetensors"
    if not (config_file.exists() and weights_file.exists()):
        return False
    config = json.loads(config_file.read_text())
    kind = (config.get("model_type"), config.get("hidden_act"), config.get("position_embedding_type", "absolute"))
    return kind == ("bert", "gelu", "absolute")


class Bert(nn.Module):
    """Token ids to one state per token.

    Attributes:
        width: dimension of a state.
        positions: most tokens of a text.

    Example:
        >>> states = Bert.load(folder)(input_ids=ids, attention_mask=mask).last_hidden_state
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.width: int = config["hidden_size"]
        self.positions: int = config["max_position_embeddings"]
        self.embeddings = _Embeddings(config)
        layers = nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})

    @classmethod
    def load(cls, folder: Path) -> "Bert":
        """Load the weights of a folder as float32, mapped from the file: models share pages that none writes to.

        Raises:
            RuntimeError: a weight is missing, or its shape is not that of the configuration.
        """
        from safetensors.torch import load_file

        model = cls(json.loads((folder / "config.json").read_text()))
        stored = load_file(folder / "model.safetensors")
        weights = {name.removeprefix("bert."): weight.float() for name, weight in stored.items()}
        used = {name: weights[name] for name, _ in model.named_parameters() if name in weights}
        model.load_state_dict(used, assign=True)
        return model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Encode a padded batch, called and answered as transformers does.

        Args:
            input_ids: shape (batch, tokens).
            attention_mask: shape (batch, tokens), 0 where a row is padded.

        Returns:
            `last_hidden_state`, shape (batch, tokens, width).
        """
        states, attended = self.embeddings(input_ids), attention_mask[:, None, None, :].bool()
        for layer in self.encoder["layer"].children():
            states = layer(states, attended)
        return SimpleNamespace(last_hidden_state=states)


class _Linear(nn.Linear):
    """A linear layer whose weights are always loaded."""

    def reset_parameters(self) -> None:
        """Do nothing: random weights would be made only to be thrown away."""


class _Embedding(nn.Embedding):
    """An embedding whose weights are always loaded."""

    def reset_parameters(self) -> None:
        """Do nothing, as in `_Linear`."""


class _Embeddings(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = _Embedding(config["vocab_size"], width)
        self.position_embeddings = _Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = _Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        positions = self.position_embeddings.weight[: ids.shape[1]] + self.token_type_embeddings.weight[0]
        states: torch.Tensor = self.LayerNorm(self.word_embeddings(ids) + positions)
        return states


class _Layer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        attention = {"self": _Attention(width, config["num_attention_heads"])}
        self.attention = nn.ModuleDict({**attention, "output": _Output(width, width, config["layer_norm_eps"])})
        self.intermediate = nn.ModuleDict({"dense": _Linear(width, inner)})
        self.output = _Output(inner, width, config["layer_norm_eps"])

    def forward(self, states: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        states = self.attention["output"](self.attention["self"](states, attended), states)
        transformed: torch.Tensor = self.output(gelu(self.intermediate["dense"](states)), states)
        return transformed


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (_Linear(width, width) for _ in range(3))

    def forward(self, states: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        shape = (*states.shape[:2], self.heads, -1)
        query, key, value = (part(states).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        return scaled_dot_product_attention(query, key, value, attn_mask=attended).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    def __init__(self, inner: int, width: int, eps: float) -> None:
        super().__init__()
        self.dense = _Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=eps)

    def forward(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        normalized: torch.Tensor = self.LayerNorm(self.dense(states) + residual)
        return normalized
