"""Guard: no error in a handler may stay unseen."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from lrwidget.errors import ConfigError
from lrwidget.ui.state.state import WidgetState

Handler = Callable[..., None]


class RejectedInputError(ConfigError):
    """What a person typed cannot be used; the number stays as it was."""


Guarded = Callable[[Handler], Handler]
"""Wraps a handler so that its errors reach the user."""


class Guard:
    """Wraps handlers, so that their errors are shown in the widget.

    Without it ipywidgets writes a handler's error to a log that nobody reads.

    Args:
        state: Shows the errors.
        takes_turn: Whether no other thread changes anything while a handler runs. Not for a
            handler that may wait for the worker, or calls code of the user's, as Run does.
    """

    def __init__(self, state: WidgetState, takes_turn: bool = True) -> None:
        self._state = state
        self._turn = state.turn.taken if takes_turn else nullcontext

    def __call__(self, handler: Handler) -> Handler:
        """Return `handler` with its errors shown and the views kept to one writer."""

        @functools.wraps(handler)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                with self._turn():
                    handler(*args, **kwargs)
            except Exception as error:  # of an observer of the user's, too
                self._state.refuse(error, was_typed=isinstance(error, RejectedInputError))

        return guarded
