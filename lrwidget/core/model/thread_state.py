"""KerasThreadState: what Keras keeps for each thread, carried to another one.

Keras keeps its global seed generator, dtype policy and custom objects per thread, so that a
model would behave differently in a worker.
"""

from keras.src.backend.common import global_state

# Where in a model this thread is building something right now.
_SCOPES = ("name_scope_stack", "remat_scope_stack")


class KerasThreadState:
    """Keras' global state of the thread that makes this object."""

    def __init__(self) -> None:
        state = vars(global_state.GLOBAL_STATE_TRACKER)
        self._state = {name: value for name, value in state.items() if name not in _SCOPES}

    def enter(self) -> None:
        """Share that state, the very objects, with the thread that calls this."""
        vars(global_state.GLOBAL_STATE_TRACKER).update(self._state)
