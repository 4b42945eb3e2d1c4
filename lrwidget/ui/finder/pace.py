"""The pace of redraws: at most ten a second, and never most of the time."""

import math
import time
from collections.abc import Callable
from typing import Any

REDRAW_SECONDS = 0.1

REST = 5
"""After a redraw, wait at least this many times as long as it took."""


class AtMostEvery:
    """A call limited in rate: it skips updates that come too soon after the last one.

    Slow calls are made less often, so that they never take most of the time.

    Args:
        seconds: The shortest time between two calls.
        call: The call.
    """

    def __init__(self, seconds: float, call: Callable[[Any], None]) -> None:
        self._seconds, self._call = seconds, call
        self._due = -math.inf
        self._skipped: list[Any] = []  # the last update, if it was skipped

    def __call__(self, update: Any) -> None:
        """Pass the update on, unless it comes too soon."""
        now = time.monotonic()
        if now < self._due:
            self._skipped = [update]
            return
        self._skipped = []
        self._call(update)
        self._due = now + max(self._seconds, REST * (time.monotonic() - now))

    def flush(self) -> None:
        """Pass on the last update, if it was skipped."""
        if self._skipped:
            self._call(self._skipped.pop())
