"""Blocks of code that a keyboard interrupt does not leave halfway.

An impatient person interrupts twice. The first interrupt ends a range test; the second one would
end the code that restores the model.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any


class UninterruptedExit(ExitStack):
    """An ExitStack that leaves all of its contexts before a keyboard interrupt is raised."""

    def __exit__(self, *error: Any) -> bool:
        """Leave every context, the last entered first."""
        try:
            with interrupts_held_back():
                return bool(super().__exit__(*error))
        except KeyboardInterrupt:
            # It may have come before it was held back: then contexts are left over.
            with interrupts_held_back():
                super().__exit__(*error)
            raise


@contextmanager
def interrupts_held_back() -> Iterator[list[BaseException]]:
    """Raise what a keyboard interrupt raises only at the end of the block.

    The handler of the interrupt is called at once; the exception that it raises has to wait.
    Outside of Python's main thread nothing changes, since no interrupt arrives there.

    Yields:
        The exceptions that wait; their number grows with each interrupt.
    """
    held: list[BaseException] = []
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield held
        return

    def hold(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            held.append(error)

    signal.signal(signal.SIGINT, hold)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            raise held[0]
