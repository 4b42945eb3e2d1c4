"""Field: a text field for one number, which rejects text that is not such a number."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Text
from traitlets import Any as AnyTrait

from lrwidget.errors import ConfigError
from lrwidget.ui.state.guard import Guarded, RejectedInputError
from lrwidget.ui.words.kinds import Kind


class Field(Text):
    """A text field that holds a number exactly and shows it rounded.

    Args:
        kind: How the number is parsed and written.
        on_typed: Called with a number that a person typed; not called for one set from Python.
        guarded: Wraps a handler so that its errors reach the user.
        may_be_empty: Whether an empty field means None.
        options: Options of the text field, such as `description` and `tooltip`.
    """

    number = AnyTrait(None, help="The exact number; None shows an empty field.")

    def __init__(
        self,
        kind: Kind,
        *,
        on_typed: Callable[[Any], None],
        guarded: Guarded,
        may_be_empty: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(continuous_update=False, **options)
        self._kind, self._on_typed, self._may_be_empty = kind, on_typed, may_be_empty
        self.observe(guarded(self._typed), "value")
        self.observe(self._write, "number")

    def _write(self, _change: Any = None) -> None:
        self.value = self._written()

    def _written(self) -> str:
        return "" if self.number is None else self._kind.write(self.number)

    def _typed(self, change: Any) -> None:
        if change.new == self._written():
            return
        try:
            self._on_typed(self._read(change.new))
        except ConfigError as error:
            raise RejectedInputError(str(error)) from error
        finally:
            self._write()

    def _read(self, typed: str) -> float | None:
        if self._may_be_empty and not typed.strip():
            return None
        try:
            return self._kind.read(typed)
        except ValueError as error:
            kept = self._written() or "the field empty"
            raise ConfigError(
                f"{self.description}: {typed!r} is not {self._kind.noun}. Kept {kept}."
            ) from error
