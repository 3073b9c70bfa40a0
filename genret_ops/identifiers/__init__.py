"""Identifiers of passages: which docid a passage has, what people read instead, and which token sequences spell one.

`docids` assigns atomic docids and never takes one back; `slugs` gives each a readable label. A model that writes token
by token has longer identifiers: `keywords` and `codes` make them, `written` is their table, and `trie` holds them for
constrained decoding, with atomic docids as the case of one token. Nothing here knows a model.
"""
