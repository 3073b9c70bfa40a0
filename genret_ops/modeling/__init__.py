"""The model: a sentence encoder that writes docids in one step, through an output layer with rows for each docid.

`encoder` turns texts into unit vectors (`bert` is its torch module, written to start fast, and `encoder_files` says how
it is to be used); `embeddings` makes the frozen genesis rows of docids out of them; `docid_head` is the output layer,
trained over those rows and then searched. Nothing here knows how a model is trained, where a release is stored, or what
a query plan is.
"""
