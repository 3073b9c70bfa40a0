"""Context2ID and Query2ID: the rows a docid model is taught with."""
