"""KerasThreadState: what Keras keeps for each thread, carried to another one.

Keras keeps its global seed generator, dtype policy and custom objects per thread, so that a
model would behave differently in a worker.
"""

from keras.src.backend.common import global_state


class KerasThreadState:
    """Keras' global state of the thread that makes this object."""

    def __init__(self) -> None:
        self._state = dict(vars(global_state.GLOBAL_STATE_TRACKER))

    def enter(self) -> None:
        """Share that state, the very objects, with the thread that calls this."""
        vars(global_state.GLOBAL_STATE_TRACKER).update(self._state)
