"""A second release without a second training."""

import shutil

import numpy as np

from genret_ops.modeling.docid_head import finished_rows
from genret_ops.modeling.embeddings import Rows
from genret_ops.registry.artifacts import Manifest, release_folder, seal
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Verdict


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
    manifest = Manifest(
        settings=home.settings.model_dump(mode="json"),
        settings_hash=home.settings.hash(),
        trained_on=model.delta,
        training_tables=model.manifest().training_tables,
    )
    content = seal(staging, home.releases, manifest)
    number = registry.register(
        content,
        release_folder(home.releases, content),
        generation=0,
        parent=of,
        head=model.head,
        metrics={},
        actor="test",
    )
    if judged:
        registry.record_verdict(number, Verdict(content, model.delta, ()), "test")
    return number
