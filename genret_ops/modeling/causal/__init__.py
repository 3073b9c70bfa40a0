"""The causal family: a language model that writes the identifier of a passage token by token.

`decoding` keeps what such a model writes inside the identifiers that exist and are allowed.
"""
