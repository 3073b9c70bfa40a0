"""A module for each table, in stage order: documents, metadata, passages, docids, queries, preferences, evaluation."""
