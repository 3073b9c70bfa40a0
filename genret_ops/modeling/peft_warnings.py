"""A warning that PEFT brings about in transformers, kept from people; every family wraps its model with PEFT."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_peft_warning() -> Iterator[None]:
    """Ignore that PEFT asks transformers models for a deprecated name; both are pinned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
