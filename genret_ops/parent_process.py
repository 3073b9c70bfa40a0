"""A process that must not outlive the one that started it, which may be killed without a chance to end it."""

import os
import threading
import time

_LOOK_SECONDS = 0.2


def end_with(parent: int) -> None:
    """From now on, end this process soon after its parent is gone.

    Args:
        parent: the number of the process that started this one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
