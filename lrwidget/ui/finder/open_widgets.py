"""OpenWidgets: the open widgets of each model, so that a new one can take over from an older one.

A cell that is run again makes a new widget. The old one stays open, with its model and its data,
since ipywidgets keeps every widget until it is closed.
"""

import weakref
from contextlib import suppress
from typing import Protocol

import keras

from lrwidget.ui.state.state import WidgetState


class OpenWidget(Protocol):
    """A widget, as far as another one has to know it."""

    _state: WidgetState

    def _look(self) -> None:
        """Show the optimizer and the learning rate that the model has now."""

    def close(self) -> None:
        """Close it."""


class OpenWidgets:
    """The open widgets by model, none of which is kept alive by this."""

    def __init__(self) -> None:
        self._models: weakref.WeakKeyDictionary[OpenWidget, weakref.ref[keras.Model]] = (
            weakref.WeakKeyDictionary()
        )
        self._is_looking = False

    def add(self, widget: OpenWidget, model: keras.Model) -> None:
        """Remember that a widget of a model is open."""
        self._models[widget] = weakref.ref(model)

    def look(self) -> None:
        """Let each widget show what its model has now, which any cell may have changed."""
        for each in list(self._models):
            each._look()

    def look_after_each_cell(self) -> None:
        """Do so whenever a cell of a notebook has run."""
        from IPython import get_ipython

        shell = get_ipython()
        if shell is not None and not self._is_looking:
            self._is_looking = True
            shell.events.register("post_run_cell", self._cell_has_run)

    def _cell_has_run(self, *_result: object) -> None:
        # An error of a model, which `run` and `apply` show, must not appear below every cell.
        with suppress(Exception):
            self.look()

    def remove(self, widget: OpenWidget) -> None:
        """Forget a widget that is closed."""
        self._models.pop(widget, None)

    def others(self, widget: OpenWidget, model: keras.Model) -> list[OpenWidget]:
        """Return the other open widgets of a model."""
        return [
            each for each, of in list(self._models.items()) if of() is model and each is not widget
        ]


def take_over(state: WidgetState, other: OpenWidget) -> None:
    """Close another widget, and keep its runs, its pick and what Undo can revert."""
    old = other._state
    with state.changing():
        for run in old.history.runs:
            state.history.remember(run.result, run.name)
        state.changes = (*old.changes, *state.changes)
        if state.picked_lr is None and old.picked_lr is not None:
            state.pick(old.picked_lr)
    other.close()
