"""`genret gc`: retire the releases that nothing needs, and sweep what went with them."""

from collections import Counter
from typing import Any

from genret_ops.maintenance.sweep import needs, size, stale, sweep, unneeded
from genret_ops.registry.retirement import COLLECTED
from genret_ops.registry.store import Registry
from genret_ops.storage.home import Home, actor


def collect(home: Home, keep: int, dry_run: bool = False) -> dict[str, Any]:
    """What was removed, or with `dry_run` what would be, as JSON; `keep` releases stay beside those that are needed.

    Every release that stays answers as before. Interrupted anywhere, it is finished by calling it again.

    Raises:
        GenretError: another command is at work in the home.
        BrokenRelease: a release that stays is damaged, so nobody can say what it needs.
    """
    with home.still():
        chosen = [release.number for release in unneeded(home, keep)]
        needed = needs(home, chosen)
        before, removed = size(home.path), dict[str, int]()
        if dry_run:
            removed = dict(Counter(kind for kind, _ in stale(home, needed)))
        else:
            if chosen:
                Registry(home.path).retire(COLLECTED, chosen, actor(), reason="genret gc")
            removed = sweep(home)
        return {
            "collected": [f"r{number}" for number in chosen],
            "kept": [f"r{release.number}" for release in needed.releases],
            "snapshots": list(needed.snapshots),
            "removed": removed,
            "freed_bytes": before - size(home.path),
            "dry_run": dry_run,
        }
