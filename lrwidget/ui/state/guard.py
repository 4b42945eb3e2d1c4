"""Guard: shows the errors of event handlers in the widget."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol

from lrwidget.errors import ConfigError
from lrwidget.ui.state.turn import Turn

Handler = Callable[..., None]


class ShowsErrors(Protocol):
    """A state that shows errors, and whose changes need the turn."""

    @property
    def turn(self) -> Turn: ...

    def refuse(self, error: BaseException, was_typed: bool, is_about_pick: bool) -> None: ...


class RejectedInputError(ConfigError):
    """A person typed something that cannot be used; the number keeps its value."""


Guarded = Callable[[Handler], Handler]
"""Wraps a handler so that its errors reach the user."""


class Guard:
    """Wraps handlers so that their errors are shown in the widget.

    Without it, ipywidgets writes the error of a handler to a log that nobody reads.

    Args:
        state: Shows the errors.
        takes_turn: Whether to keep other threads from changing the widget while a handler runs.
            False for a handler that may wait for the worker or call the user's code, such as Run.
        is_about_pick: Whether the handlers are those of the controls below the plot.
    """

    def __init__(
        self, state: ShowsErrors, takes_turn: bool = True, is_about_pick: bool = False
    ) -> None:
        self._state, self._is_about_pick = state, is_about_pick
        self._turn = state.turn.taken if takes_turn else nullcontext

    def __call__(self, handler: Handler) -> Handler:
        """Return `handler` with its errors shown and, if asked for, in a turn."""

        @functools.wraps(handler)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                with self._turn():
                    handler(*args, **kwargs)
            except Exception as error:  # also from an observer of the user
                was_typed = isinstance(error, RejectedInputError)
                self._state.refuse(error, was_typed, self._is_about_pick)

        return guarded
