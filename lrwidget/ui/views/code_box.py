"""CodeBox: Python code that does what Apply does, with a button that copies it."""

import html
from collections.abc import Callable
from typing import Any

from ipywidgets import HTML

from lrwidget.errors import ConfigError
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words.text import plain

LABEL = "Python code"
NO_PICK = "Pick a learning rate to see its code."

# `execCommand` comes first because it also works over plain http, where `navigator.clipboard` is
# missing, and returns at once whether it copied. The code stays selected for Ctrl+C in any case.
COPY = (
    "const label = this.lastChild, code = this.closest('.lrw-code').querySelector('pre'); "
    "const say = done => { label.textContent = done ? 'Copied' : 'Press Ctrl+C'; }; "
    "window.getSelection().selectAllChildren(code); "
    "const done = document.execCommand?.('copy'); "
    "say(done); "
    "if (!done) navigator.clipboard?.writeText(code.textContent).then(() => say(true), () => {});"
)


class CodeBox(HTML):
    """The code for the pick, as a constant or a schedule, at the bottom of the widget.

    Args:
        state: Observed.
        code: Returns the code, once something is picked.
    """

    def __init__(self, state: WidgetState, code: Callable[[], str]) -> None:
        super().__init__()
        self._state, self._code = state, code
        self.add_class("lrw-code")
        state.observe(self._draw, ["plan", "picked_lr", "code_shown"])
        self._draw()

    def _draw(self, _change: Any = None) -> None:
        self.layout.display = None if self._state.code_shown else "none"
        if self._state.picked_lr is None:
            self.value = _without_code(NO_PICK)
            return
        try:
            self.value = _with_code(self._code())
        except ConfigError as error:
            self.value = _without_code(str(error))


def _with_code(code: str) -> str:
    return f"{_head()}<pre>{html.escape(code)}</pre>"


def _without_code(why: str) -> str:
    return f"{_head(disabled=True)}<p>{html.escape(plain(why))}</p>"


def _head(disabled: bool = False) -> str:
    """Return the line above the code. Each redraw resets the text of its button to "Copy"."""
    button = (
        f'<button type="button" class="jupyter-button lrw-copy" title="Copy the code" '
        f'aria-live="polite" {"disabled" if disabled else ""} '
        f'onclick="{html.escape(COPY)}"><i class="fa fa-copy" aria-hidden="true"></i>'
        f"<span>Copy</span></button>"
    )
    return f'<div class="lrw-code-head"><span>{LABEL}</span>{button}</div>'
