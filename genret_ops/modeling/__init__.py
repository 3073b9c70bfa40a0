"""The model that writes docids: a sentence encoder, the rows of the docids, and the head that is trained on them."""
