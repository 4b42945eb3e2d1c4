"""The pace of redraws: at most ten a second, and never most of the time."""

import math
import time
from collections.abc import Callable
from typing import Any

REDRAW_SECONDS = 0.1

REST = 5
"""After a redraw, wait at least this many times as long as it took."""


def at_most_every(seconds: float, call: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return `call` limited in rate: it skips updates that come too soon after the last one.

    Slow calls are made less often, so that they never take most of the time.
    """
    due = -math.inf

    def limited(update: Any) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            call(update)
            due = now + max(seconds, REST * (time.monotonic() - now))

    return limited
