"""Spoken: what a screen reader says of the widget beyond its controls; nobody sees it."""

import html
from typing import Any

import numpy as np
from ipywidgets import HTML, VBox

from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import text

MOST_ROWS = 40


class Spoken(VBox):
    """The messages of the status, spoken when they change, and the curve as a table.

    The progress of a running test is not spoken, since it changes ten times a second.

    Args:
        state: Observed.
    """

    def __init__(self, state: WidgetState) -> None:
        self._state = state
        self._message, self._table = HTML(), HTML()
        super().__init__([self._message, self._table])
        self.add_class("lrw-spoken")
        state.observe(self._say, "notice")
        state.observe(self._draw_table, ["result", "show"])
        self._say()
        self._draw_table()

    def _say(self, _change: Any = None) -> None:
        notice = self._state.notice
        if not notice.is_progress:
            role = "alert" if notice.is_error else "status"
            said = html.escape(notice.text)
            self._message.value = f'<div role="{role}" aria-live="polite">{said}</div>'

    def _draw_table(self, _change: Any = None) -> None:
        curve = self._state.curve
        if self._state.result is None or not len(curve):
            self._table.value = ""
            return
        rows = np.unique(np.linspace(0, len(curve) - 1, MOST_ROWS).round().astype(int))
        name = html.escape(text.name_of(self._state.show))
        head = "".join(
            f'<th scope="col">{each}</th>' for each in ("learning rate", name, "smoothed")
        )
        body = "".join(
            f"<tr><td>{text.format_lr(curve.lrs[row])}</td>"
            f"<td>{text.format_loss(curve.losses[row])}</td>"
            f"<td>{text.format_loss(curve.smoothed[row])}</td></tr>"
            for row in rows
        )
        self._table.value = (
            f"<table><caption>The curve: {name} at {len(rows)} of {len(curve)} learning rates"
            f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
