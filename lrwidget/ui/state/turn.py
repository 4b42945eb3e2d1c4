"""Turn: one thread at a time changes a widget, and the user's observers are called afterwards."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turn:
    """A lock for the widget's own code, with a queue of calls to the user's code.

    An observer may call the widget again, and may wait for another thread that does. It must
    not be called while the lock is held, or the two threads would wait for each other for ever.
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
        """Let no other thread have the turn in this block.

        Args:
            delivers: Whether the calls that wait are made once the turn is free again.

        Raises:
            BaseException: What one of these calls raises.
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
        """Make a call in its order, once the turn is free."""
        self._calls.append(call)

    def deliver(self) -> None:
        """Make the calls that wait, unless this thread has the turn or another one makes them.

        Raises:
            BaseException: The first that a call raises, after all of them were made.
        """
        if self.is_mine:
            return
        errors: list[BaseException] = []
        # Looked at again after the release: another thread may have been refused just before.
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
