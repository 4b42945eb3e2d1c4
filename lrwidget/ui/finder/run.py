"""Run: one range test or comparison of a widget, and the events of its life."""

import threading


class Run:
    """One test, from its preparation until the model is restored.

    Attributes:
        stop: Set to stop the test.
        reserved: Set once other uses of the model are refused, so that the caller may go on.
        restored: Set once the model is restored; the rules run after that.
        over: Set once the status says how the test ended, so that the next one may start.
        thread: The thread that works on it: first the one that prepares it, then the worker.
        worker: None until it has been started.
        waiting: Number of threads that wait for its end.
        is_left_alone: Whether a person has interrupted the wait for a test that does not end.
        is_left: Whether the waiting threads, not the worker, notify the user's observers.

    Args:
        alone: Whether the starting thread waits for its end, so that no other cell runs.
    """

    def __init__(self, alone: bool) -> None:
        self.alone = alone
        self.stop = threading.Event()
        self.reserved = threading.Event()
        self.restored = threading.Event()
        self.over = threading.Event()
        self.thread: int | None = threading.get_ident()
        self.worker: threading.Thread | None = None
        self.waiting = 0
        self.is_left = self.is_left_alone = False

    @property
    def is_mine(self) -> bool:
        """Whether this thread works on the test and so must not wait for it."""
        return self.thread == threading.get_ident()

    @property
    def has_begun(self) -> bool:
        """Whether its worker was started."""
        return self.worker is not None and self.worker.ident is not None
