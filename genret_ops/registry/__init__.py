"""Releases, aliases and the audit trail: what was made, from what, and who let it serve.

`content` seals a folder of model files under its content hash and checks it again later; `database` holds the tables,
on SQLite or PostgreSQL, and `place` says which database is whose; `events` the hash-chained record of what happened;
`aliases` the names that move; `registry` the one door through which a release is registered and promoted; `rows` all
of it in a portable form; `card` the model card. `lineage` and `why` tell where a release and an answer come from,
`lineage_check` whether that is true, `audit_period` and `audit_document` what changed.

A release is a model release on a corpus head: the same files on another head are another release. Nothing here knows
what the files of a release mean.
"""
