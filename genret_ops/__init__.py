"""genret-ops: retrieval by a model that writes document identifiers, run like real software."""

__version__ = "0.1.0"
