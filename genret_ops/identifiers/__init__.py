"""Identifiers of passages: who has which docid, what it is called, and which token sequences spell one.

`docids` hands out atomic docids and never takes one back; `labels` gives each a readable name;
`trie` holds identifier sequences for constrained decoding, atomic docids being its one-level case.
Nothing here knows a model.
"""
