"""Snapshots and deltas of documents, the passages cut from them, and what may be seen of them."""
