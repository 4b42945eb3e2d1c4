"""Reader: reads the user's Python data in a thread, so that a stopped test need not wait for them.

Data may block: a generator waits for a queue, a file system or a network. Python cannot interrupt
them there, and TensorFlow cannot end while it waits for them.
"""

import contextvars
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

SECONDS_AFTER_STOP = 5.0
"""How long a stopped test still waits for the data: while their code runs, it changes state."""

_LOOK_SECONDS = 0.1

Enter = Callable[[], object]


class StopFlag(Protocol):
    """Anything that says whether to stop, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


class StoppedWaiting(BaseException):
    """A stopped test no longer waits for the data. Not an error: the test ends as "stopped"."""


class Reader(Iterator[Any]):
    """The items of one pass over the user's data, read one by one in a thread, when asked for.

    The thread ends with the data or at `close`; if the data block, as soon as they go on.

    Args:
        new_pass: A function that starts the pass; it runs in the thread.
        stop: Checked ten times a second while an item is awaited.
        enter: Called in the thread first, such as to share Keras' thread-local settings.
        context: The context variables that the data see, such as the output cell of ipykernel.

    Attributes:
        was_left: Whether a stopped test no longer waited, so that the data's code still runs.
    """

    def __init__(
        self,
        new_pass: Callable[[], Iterable[Any]],
        stop: StopFlag,
        enter: Enter,
        context: contextvars.Context,
    ) -> None:
        self._stop = stop
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._is_waiting = self._is_over = False
        self.was_left = False
        self._thread = threading.Thread(
            target=context.copy().run,
            args=(_read, new_pass, enter, self._requests, self._replies),
            name="lrwidget data",
            daemon=True,
        )
        self._thread.start()
        # Also if nobody closes it, such as a pass that an error has ended.
        weakref.finalize(self, self._requests.put, False)

    def __next__(self) -> Any:
        """Return the next item.

        Raises:
            StopIteration: The pass is over.
            StoppedWaiting: The test was stopped, and the data still do not give the item.
            BaseException: The error of the user's data.
        """
        if self._is_over:
            raise StopIteration
        if not self._is_waiting:
            self._requests.put(True)
            self._is_waiting = True
        item, error = self._reply()
        self._is_waiting = False
        if error is not None:
            self._is_over = True
            raise error
        return item

    def _reply(self) -> tuple[Any, BaseException | None]:
        end: float | None = None
        while True:
            try:
                return self._replies.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if end is None and self._stop.is_set():
                    end = time.monotonic() + SECONDS_AFTER_STOP
                if end is not None and time.monotonic() >= end:
                    self.was_left = True
                    raise StoppedWaiting from None

    def close(self) -> None:
        """End the thread, and wait for it, but not for long if the data block."""
        self._is_over = True
        self._requests.put(False)
        if not self.was_left:
            self._thread.join(SECONDS_AFTER_STOP)
            self.was_left = self._thread.is_alive()


def _read(
    new_pass: Callable[[], Iterable[Any]],
    enter: Enter,
    requests: "queue.SimpleQueue[bool]",
    replies: "queue.SimpleQueue[tuple[Any, BaseException | None]]",
) -> None:
    """Answer each request with an item or an error, until the data or the requests end."""
    items: Iterator[Any] | None = None
    while requests.get():
        try:
            if items is None:
                enter()
                items = iter(new_pass())
            reply = next(items), None
        except BaseException as error:
            # Also StopIteration: the pass is over.
            replies.put((None, error))
            return
        replies.put(reply)
        del reply  # it would keep the batch
    close = getattr(items, "close", None)
    if close is not None:
        close()
