"""Speed: how fast a test runs now."""

import time
from collections import deque
from collections.abc import Callable

_SECONDS = 5.0


class Speed:
    """The speed of the last seconds of a test.

    Args:
        clock: Returns the time in seconds.

    >>> times = iter([10.0, 10.5, 12.0])
    >>> speed = Speed(clock=lambda: next(times))
    >>> speed.add(10)  # after 10 steps, which include compiling
    >>> speed.per_second
    >>> speed.add(20)
    >>> speed.per_second
    20.0
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, steps: int) -> None:
        """Add how many steps are done now."""
        now = self._clock()
        self._seen.append((now, steps))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float | None:
        """Steps a second; None before two groups of steps are done.

        The first group only starts the clock, because it includes compiling.
        """
        if len(self._seen) < 2:
            return None
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - began) if now > began and done > before else None
