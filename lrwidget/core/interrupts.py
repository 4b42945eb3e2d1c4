"""UninterruptedExit: leaving a block without being disturbed by a second interrupt.

An impatient person interrupts twice. The first interrupt ends a range test; the second one would
end what puts the model back.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


class UninterruptedExit(ExitStack):
    """An ExitStack that leaves all of its contexts before a keyboard interrupt is heard."""

    def __exit__(self, *error: Any) -> bool:
        """Leave every context, the last entered first."""
        with _interrupts_held_back():
            return bool(super().__exit__(*error))


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let a keyboard interrupt wait; only Python's main thread ever gets one."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    held: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *received: held.append(received))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            handler(*held[0])
