"""Training in a process of its own: SFT, hard negatives, RPO."""
