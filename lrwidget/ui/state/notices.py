"""Notices: the status message, the current error, and what to show after a rejected input."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from traitlets import HasTraits, Instance

from lrwidget.ui.state.turn import Turn
from lrwidget.ui.words import text

WELCOME = "Ready. A test leaves the model exactly as it is."


@dataclass(frozen=True)
class Notice:
    """The status message.

    Args:
        text: The message.
        is_error: Whether it reports an error.
        is_about_pick: Whether it answers a control below the plot, so that it is shown there too.
        is_progress: Whether it counts steps, so that the next one follows soon.
    """

    text: str
    is_error: bool = False
    is_about_pick: bool = False
    is_progress: bool = False


class Notices(HasTraits):
    """The status message and the current error of the widget.

    Attributes:
        turn: Held by the thread that changes the widget.
    """

    notice = Instance(Notice, (WELCOME,))
    error = Instance(BaseException, allow_none=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.turn = Turn()
        self._replaced: tuple[BaseException | None, Notice] | None = None
        self._holds_back = False

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Take the turn, and notify the views of all changes together at the end."""
        with self.turn.taken(), self.hold_trait_notifications():
            yield

    @property
    def is_refusing(self) -> bool:
        """Whether the status message says why an input was rejected."""
        return self._replaced is not None

    def show_error(self, error: BaseException) -> None:
        """Show what went wrong; the status of the test does not change."""
        with self.changing():
            self._replaced = None
            self.error = error
            self.notice = Notice(text.plain(text.failed(error)), is_error=True)

    def refuse(self, error: BaseException, was_typed: bool, is_about_pick: bool) -> None:
        """Show why something was not done, until the next accepted input.

        Args:
            error: The reason.
            was_typed: Whether the rejected input is a number that a person typed.
            is_about_pick: Whether it came from a control below the plot.
        """
        with self.changing():
            replaced = self._replaced or (self.error, self.notice)
            self.show_error(error)
            self.notice = replace(self.notice, is_about_pick=is_about_pick)
            self._replaced, self._holds_back = replaced, was_typed

    def holds_back(self) -> bool:
        """Return whether Apply must not act because a typed number was rejected just before.

        True only once per rejected number. A click on Apply while a field has the focus first
        submits the number and then applies; without this, nobody would see the rejection.
        """
        with self.changing():
            holds_back, self._holds_back = self._holds_back, False
            if holds_back:
                said = f"{self.notice.text} {text.HELD_BACK}"
                self.notice = Notice(said, is_error=True, is_about_pick=True)
        return holds_back

    def _accept(self) -> None:
        """An input was accepted: show the message that a rejected one had replaced."""
        if self._replaced is not None:
            self.error, self.notice = self._replaced
        self._replaced, self._holds_back = None, False

    def _say(self, sentence: str, **kind: bool) -> None:
        self._replaced, self._holds_back = None, False
        self.error = None
        self.notice = Notice(text.plain(text.on_screen(sentence)), **kind)
