"""A packed release: one folder from which the service answers with no registry, no database and no network.

It holds the release's files as they were sealed, the corpus head as files, the encoder's weights, which documents were
live when it was packed, and this software, so that `bentoml build` can make a Bento from it; `pack.json` describes it.
It follows no promotion and takes no changes.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genret_ops
import serving
from genret_ops import summaries
from genret_ops.corpus.visibility import Visibility, VisibilityReader
from genret_ops.errors import GenretError
from genret_ops.modeling.encoder_files import encoder_path
from genret_ops.registry.artifacts import check, library_versions
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import CHAMPION
from genret_ops.retrieval.artifacts import load_model, read_search
from genret_ops.retrieval.index_cache import read_index
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage.home import HEAD_FORMAT, PACKED
from genret_ops.storage.language_model_files import language_model_path
from serving.state import State

_BENTO = "bentofile.yaml"
_LIBRARIES = (
    *("bentoml", "bm25s", "charset-normalizer", "fastapi", "jinja2", "numpy", "prometheus-client", "pyarrow"),
    *("pydantic", "pydantic-settings", "PyStemmer", "pyyaml", "safetensors", "sqlalchemy", "starlette", "tokenizers"),
    "torch",
)
"""The libraries that a packed service imports."""
_OF_LANGUAGE_MODELS = ("transformers", "peft")
"""The libraries that a packed language model needs besides."""
_RELEASE, _HEAD, _PLACES, _ENCODER, _LANGUAGE_MODEL = "release", "head", "places.json", "encoder", "language-model"


def pack(home: Home, folder: Path) -> dict[str, Any]:
    """Pack the champion into a folder that does not exist yet.

    Raises:
        NothingToSearch: there is no champion.
        BrokenRelease: one of its files has changed since it was sealed.
        GenretError: the folder exists, or the encoder's weights lie in no folder.
    """
    if folder.exists():
        raise GenretError(f"{folder} already exists: choose a folder that does not")
    release, retriever = open_release(home, CHAMPION)
    search, libraries = read_search(release.folder), [*_LIBRARIES]
    weights = {_ENCODER: Path(encoder_path(search.encoder))}
    if search.writer:
        weights[_LANGUAGE_MODEL] = Path(language_model_path(search.writer.model))
        libraries += _OF_LANGUAGE_MODELS
    for name, path in weights.items():
        if not path.is_dir():
            raise GenretError(
                f"the weights of the {name} are not in a folder ({path}): save them into one, then build again"
            )
    assert retriever.index.folder is not None
    building = folder.with_name(f".{folder.name}.packing")
    shutil.rmtree(building, ignore_errors=True)
    for name, source in {_RELEASE: release.folder, _HEAD: retriever.index.folder, **weights}.items():
        shutil.copytree(source, building / name)
    for package in (genret_ops, serving):
        code = Path(str(package.__file__)).parent
        shutil.copytree(code, building / code.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(building / "serving" / _BENTO, building / _BENTO)
    versions = library_versions(libraries)
    requirements = (f"{name}=={versions[name].partition('+')[0]}\n" for name in libraries)
    (building / "requirements.txt").write_text("".join(requirements))
    (building / SETTINGS_FILE).write_text(_settings_text(home.settings))
    live = VisibilityReader(home.path)()
    (building / _PLACES).write_text(json.dumps({"held": sorted(live), "described": dict(live.described)}))
    packed = {"release": f"r{release.number}", "content_hash": release.content_hash, "delta": release.delta}
    listed = [row for row in summaries.releases(home.registry) if row["release"] == packed["release"]]
    (building / PACKED).write_text(json.dumps({**packed, "listed": listed, "head_format": HEAD_FORMAT}))
    building.rename(folder)
    return {"folder": str(folder), **packed}


def _settings_text(settings: Settings) -> str:
    """A `genret.toml` with the home's `[serving]` only: the address of the registry, and its password, stay at home."""
    values = settings.serving.model_dump(mode="json").items()
    return "\n".join(["[serving]", *(f"{name} = {json.dumps(value)}" for name, value in values)]) + "\n"


@dataclass(frozen=True)
class PackSource:
    """The one release of a packed folder."""

    folder: Path

    def _packed(self) -> Mapping[str, Any]:
        return dict(json.loads((self.folder / PACKED).read_text()))

    def champion(self) -> int | None:
        return int(self._packed()["release"].removeprefix("r"))

    def candidate(self) -> int | None:
        return None

    def open(self, number: int, beside: State | None) -> State:
        packed, release = self._packed(), self.folder / _RELEASE
        if packed.get("head_format") != HEAD_FORMAT:
            raise GenretError(
                "it was packed by another version of genret-ops: serve it with the software in it, or pack it again"
            )
        check(release, packed["content_hash"])
        settings = read_search(release).retrieval_settings
        model = load_model(release, str(self.folder / _ENCODER), str(self.folder / _LANGUAGE_MODEL))
        places = json.loads((self.folder / _PLACES).read_text())
        live = Visibility(frozenset(map(tuple, places["held"])), places["described"])
        retriever = Retriever(read_index(self.folder / _HEAD, settings), model, lambda: live)
        return State(number, packed["content_hash"], packed["delta"], retriever)

    def releases(self) -> list[dict[str, Any]]:
        return list(self._packed()["listed"])
