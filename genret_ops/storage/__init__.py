"""A home on disk: tables and their commits, files that survive a crash, locks, caches; not what the rows mean."""
