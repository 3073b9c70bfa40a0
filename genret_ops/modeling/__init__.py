"""Models that write docids, behind one protocol."""
