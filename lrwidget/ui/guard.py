"""Guard: no error in a handler may stay unseen."""

import functools
from collections.abc import Callable
from typing import Any

from lrwidget.errors import ConfigError
from lrwidget.ui.state import WidgetState

Handler = Callable[..., None]


class NotTakenError(ConfigError):
    """What a person typed cannot be used; the number stays as it was."""


Shown = Callable[[Handler], Handler]
"""Wraps a handler so that its errors reach the user."""


class Guard:
    """Wraps handlers: one at a time under the state's lock, their errors shown in the widget.

    Without it ipywidgets writes a handler's error to a log that nobody reads.

    Args:
        state: Its lock is held; it is told of errors.
    """

    def __init__(self, state: WidgetState) -> None:
        self._state = state

    def __call__(self, handler: Handler) -> Handler:
        """Return `handler` with its errors shown and the views kept to one writer."""

        @functools.wraps(handler)
        def guarded(*args: Any, **kwargs: Any) -> None:
            with self._state.lock:
                try:
                    handler(*args, **kwargs)
                except Exception as error:
                    self._state.refuse(error, was_typed=isinstance(error, NotTakenError))

        return guarded
