"""Blocks of code that a keyboard interrupt cannot leave halfway.

Users may press the interrupt key twice. The first interrupt ends a range test; the second one
would end the code that restores the model.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any


class UninterruptedExit(ExitStack):
    """An ExitStack that exits all of its contexts before it raises a keyboard interrupt."""

    def __exit__(self, *error: Any) -> bool:
        """Exit every context, the last entered first."""
        try:
            with interrupts_held_back():
                return bool(super().__exit__(*error))
        except KeyboardInterrupt:
            # An interrupt may arrive before `interrupts_held_back` starts; then contexts remain.
            with interrupts_held_back():
                super().__exit__(*error)
            raise


@contextmanager
def interrupts_held_back() -> Iterator[list[BaseException]]:
    """Delay the exception of a keyboard interrupt until the end of the block.

    The interrupt handler runs at once; the exception that it raises is delayed. In other threads
    than Python's main thread this has no effect, because no interrupt arrives there.

    Yields:
        The list of delayed exceptions, one for each interrupt.
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
