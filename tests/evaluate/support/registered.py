"""The toy encoder in the registry for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import toy_runs

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published


@contextmanager
def toy_encoder_registered() -> Iterator[None]:
    """Within it the toy encoder is known; whoever registered it takes it out."""
    if toy_runs.TOY_ENCODER in ENCODERS.names():
        yield
        return
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    try:
        yield
    finally:
        del ENCODERS._rows[toy_runs.TOY_ENCODER]
