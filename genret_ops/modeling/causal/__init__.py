"""The causal family: a language model that writes the identifier of a passage token by token.

`prompts` words what the model reads, `decoding` keeps what it writes inside the identifiers that exist and are allowed,
and `model` puts them together: docids for queries. How it is trained is in training/causal, which identifiers there are
in identifiers/, and where its weights are in storage/language_model_files.py.
"""
