"""A second release without a second training."""

import shutil

import numpy as np

from genret_ops.modeling.docid_head import finished_rows
from genret_ops.modeling.embeddings import Rows
from genret_ops.registry.artifacts import read_manifest, seal
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Verdict
from genret_ops.storage.home import Home


def another(home: Home, of: int, seed: int, judged: bool = True) -> int:
    """A release on the same head as release `of`, whose learned rows answer otherwise; `judged`, the gate let it in."""
    registry = Registry(home.path)
    model = registry.release(of)
    staging = home.path / "work" / f"other-{seed}"
    shutil.copytree(model.folder, staging)
    for path in staging.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    rows = finished_rows(registry.release(1).folder)
    (staging / "rows.npy").unlink()  # a patch shares it with what it patches
    (staging / "starts.npy").unlink()
    Rows(np.random.default_rng(seed).permutation(rows.vectors), rows.starts).save(staging)
    made_from = {"settings": home.settings.model_dump(mode="json"), "settings_hash": home.settings.hash()}
    made_from["trained_on"] = model.delta
    made_from["training_tables"] = read_manifest(model.folder)["training_tables"]
    content = seal(staging, home.releases, made_from)
    facts = {"generation": 0, "delta": model.delta, "parent": of, "head": model.head, "metrics": {}}
    number = registry.register(content, home.releases / content[:16], actor="test", **facts)
    if judged:
        registry.record_verdict(number, Verdict(content, model.delta, ()), "test")
    return number
