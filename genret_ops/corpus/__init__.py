"""From the user's sources to passages: readers, snapshot and delta, cuts, metadata."""
