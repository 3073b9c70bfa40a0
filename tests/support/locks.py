"""A lock of a home that somebody else holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from genret_ops.registry.home import Home


@contextmanager
def held_by_another(home: Path, lock: str) -> Iterator[None]:
    """The lock, held by another thread: one that this thread holds is free to it."""
    begun, ended = Event(), Event()

    def hold() -> None:
        with Home(home).lock(lock):
            begun.set()
            ended.wait()

    thread = Thread(target=hold)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        ended.set()
        thread.join()
