"""Notices: the sentence of status and the error on show, and what a refusal covers of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from traitlets import HasTraits, Instance

from lrwidget.ui.state.turn import Turn
from lrwidget.ui.words import text

WELCOME = "Ready. A test leaves the model exactly as it is."


@dataclass(frozen=True)
class Notice:
    """The sentence of status, and whether it tells of an error."""

    text: str
    is_error: bool = False


class Notices(HasTraits):
    """What the widget says, in one turn with all that it says it about.

    Attributes:
        turn: Held by the thread that changes anything.
    """

    notice = Instance(Notice, (WELCOME,))
    error = Instance(BaseException, allow_none=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.turn = Turn()
        self._covered: tuple[BaseException | None, Notice] | None = None
        self._holds_back = False

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Take the turn, and tell the views of all changes at once at the end."""
        with self.turn.taken(), self.hold_trait_notifications():
            yield

    @property
    def is_refusing(self) -> bool:
        """Whether the sentence on show says why an input was not taken."""
        return self._covered is not None

    def show_error(self, error: BaseException) -> None:
        """Say what went wrong; the state of the test stays what it is."""
        with self.changing():
            self._covered = None
            self.error = error
            self.notice = Notice(text.plain(text.failed(error)), is_error=True)

    def refuse(self, error: BaseException, was_typed: bool) -> None:
        """Say why something was not done, until the next input that is taken.

        Args:
            error: Why.
            was_typed: Whether a number that a person typed was not taken.
        """
        with self.changing():
            covered = self._covered or (self.error, self.notice)
            self.show_error(error)
            self._covered, self._holds_back = covered, was_typed

    def holds_back(self) -> bool:
        """Say whether nothing is to be applied now: a number that was typed has not been taken.

        It is said once. Leaving a field by a click on Apply types the number and applies, and
        the refusal between the two would not be read.
        """
        with self.changing():
            holds_back, self._holds_back = self._holds_back, False
            if holds_back:
                said = f"{self.notice.text} {text.HELD_BACK}"
                self.notice = Notice(said, is_error=True)
        return holds_back

    def _accept(self) -> None:
        """Take note of an input that was taken: what a refused one covered is to be seen again."""
        if self._covered is not None:
            self.error, self.notice = self._covered
        self._covered, self._holds_back = None, False

    def _say(self, sentence: str) -> None:
        self._covered, self._holds_back = None, False
        self.error = None
        self.notice = Notice(text.plain(sentence))
