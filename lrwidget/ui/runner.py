"""Runner: the one worker thread of a widget, and the flag that stops it."""

import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial

from lrwidget.core.curve import Update
from lrwidget.core.range_test import RangeTest
from lrwidget.errors import BusyError
from lrwidget.ui.state import WidgetState

REDRAW_SECONDS = 0.1


class Runner:
    """Runs one test at a time in a thread and tells the state what happens.

    Args:
        state: Told of the range found, of updates ten times a second, and of the end.
    """

    def __init__(self, state: WidgetState) -> None:
        self._state = state
        self._slot = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, prepare: Callable[[], RangeTest]) -> None:
        """Prepare a test on this thread, then run it in the worker.

        Args:
            prepare: Builds the test; Keras' global state is thread-local, so this cannot be
                left to the worker.

        Raises:
            BusyError: A test is being prepared or runs.
        """
        # A lock, not a look at the thread: a second click can come before the first has made one.
        if not self._slot.acquire(blocking=False):
            raise BusyError("A range test is running already. Call `stop()` or `wait()` first.")
        try:
            test = prepare()
            self._stop = threading.Event()
            self._thread = self._new_thread(test, self._stop)
            self._thread.start()
        except BaseException:
            self._slot.release()
            raise

    def stop(self) -> None:
        """Ask the test to stop after the step it is at."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the worker to end.

        Args:
            timeout: Seconds; None waits for as long as it takes.

        Returns:
            Whether it has ended.
        """
        thread = self._thread
        # The garbage collector may close a forgotten widget within the worker itself.
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _new_thread(self, test: RangeTest, stop: threading.Event) -> threading.Thread:
        # In a copy of this context, because ipykernel 7.0 finds no output cell in a plain thread.
        return threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._work, test, stop),
            name="lrwidget range test",
            daemon=True,
        )

    def _work(self, test: RangeTest, stop: threading.Event) -> None:
        redraw = at_most_every(REDRAW_SECONDS, self._state.advance)
        try:
            result = test.run(on_update=redraw, stop=stop, on_range=self._state.take_range)
            outcome = partial(self._state.finish, result)
        except BaseException as error:  # the model's and the data's own errors among them
            outcome = partial(self._state.fail, error)
        with self._state.lock:
            # Before the status changes: whoever sees it may start the next test at once.
            self._slot.release()
            try:
                outcome()
            except Exception as error:  # a rule of the user's own, or an observer
                self._state.fail(error)


def at_most_every(seconds: float, call: Callable[[Update], None]) -> Callable[[Update], None]:
    """Return `call` slowed down: updates that come too soon after the last are left out."""
    last = float("-inf")

    def slow(update: Update) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= seconds:
            last = now
            call(update)

    return slow
