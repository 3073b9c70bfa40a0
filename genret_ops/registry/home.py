"""A home with its registry: what commands, workflows and the service pass around."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from genret_ops.storage.home import HomeFolder, actor, make_home

if TYPE_CHECKING:
    from genret_ops.registry.store import Registry

__all__ = ["Home", "actor", "make_home"]


@dataclass(frozen=True)
class Home(HomeFolder):
    """A home: its paths, settings, tables, locks, and its registry.

    Example:
        >>> home = Home(Path(".genret"))
        >>> home.registry.release("champion").delta
        'delta-00004'
    """

    @cached_property
    def registry(self) -> "Registry":
        """The registry, opened once; nothing is made by opening it."""
        from genret_ops.registry.store import Registry  # SQLAlchemy takes a while to import

        return Registry(self.path)
