"""Where an answer or a release comes from, whether that is true, and what changed when."""
