"""Upkeep of a home: backups, removal of what nothing needs, and the search for traces of an erased document."""
