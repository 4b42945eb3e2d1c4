"""Turn: lets one thread at a time change a widget, and calls the user's observers afterwards."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turn:
    """A lock for the widget's own code, with a queue of calls to the user's code.

    An observer may call the widget again, or wait for another thread that does. If it were called
    while the lock is held, the two threads could wait for each other forever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._calls: deque[Callable[[], object]] = deque()
        self._delivering = threading.RLock()

    @property
    def is_mine(self) -> bool:
        """Whether this thread has the turn."""
        return self._owner == threading.get_ident()

    @contextmanager
    def taken(self, delivers: bool = True) -> Iterator[None]:
        """Hold the turn in this block, so that other threads wait.

        Args:
            delivers: Whether to make the waiting calls once the turn is free again.

        Raises:
            BaseException: The first error of these calls.
        """
        try:
            with self._lock:
                outer = self._owner
                try:
                    self._owner = threading.get_ident()
                    yield
                finally:
                    self._owner = outer
        finally:
            if delivers:
                self.deliver()

    def call_later(self, call: Callable[[], object]) -> None:
        """Queue a call for when the turn is free."""
        self._calls.append(call)

    def deliver(self) -> None:
        """Make the waiting calls, unless this thread has the turn or another thread makes them.

        Raises:
            BaseException: The first error of a call, raised after all calls were made.
        """
        if self.is_mine:
            return
        errors: list[BaseException] = []
        # Check again after the release: another thread may have failed to acquire it just before.
        while self._calls and self._delivering.acquire(blocking=False):
            try:
                self._make_calls(errors)
            finally:
                self._delivering.release()
        if errors:
            raise errors[0]

    def _make_calls(self, errors: list[BaseException]) -> None:
        while self._calls:
            try:
                self._calls.popleft()()
            except BaseException as error:
                errors.append(error)
