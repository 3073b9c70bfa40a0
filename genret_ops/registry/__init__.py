"""Releases, aliases and the audit trail: what was made, from what, and who let it serve.

`publish` lays out, seals and registers a release; `artifacts` seals a folder under its content hash and checks it again
later; `store` is the registry: releases, aliases, verdicts and events; `audit_trail` chains the events by hash;
`database` holds the tables, on SQLite or PostgreSQL, and `location` says which database belongs to a home; `ancestry`
follows releases back to genesis; `loading` opens a release for search; `model_card` writes its README; `home` hands a
home and its registry around.

A release is a model release on a corpus head: the same model files on another head are another release.
"""
