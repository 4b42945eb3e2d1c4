"""KerasThreadState: carries Keras' thread-local settings to another thread.

Keras keeps its global seed generator, dtype policy and custom objects per thread. Without them, a
model would behave differently in a worker thread.
"""

from lrwidget.core.model.host import thread_settings

# The place in a model that this thread is building right now.
_SCOPES = ("name_scope_stack", "remat_scope_stack")


class KerasThreadState:
    """Keras' global state of the thread that creates this object."""

    def __init__(self) -> None:
        state = thread_settings()
        self._state = {name: value for name, value in state.items() if name not in _SCOPES}

    def enter(self) -> None:
        """Share the same state objects with the calling thread."""
        thread_settings().update(self._state)
