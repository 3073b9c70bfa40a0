"""One module a table, in the order of the stages: documents, metadata, passages, docids, queries, pairs, evaluation."""
