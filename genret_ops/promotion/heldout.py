"""The held-out queries of a release that tuned nothing: what gate, nightly examination and `genret diff` ask."""

from genret_ops.records import SyntheticQuery
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.store import Release
from genret_ops.storage.home import Home
from genret_ops.synthesis.queries import read_queries


def heldout(home: Home, release: Release) -> list[SyntheticQuery]:
    """Queries about documents that neither the training of a release nor its tuning asked about."""
    manifest = read_manifest(release.folder)
    return read_queries(home.store, manifest["trained_on"], manifest["training_tables"]["queries"], ("gate",))
