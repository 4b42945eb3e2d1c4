"""Applying: the Python methods of the widget that pick and apply a learning rate."""

from typing import Any

import keras

from lrwidget.core.data.source import is_unbatched
from lrwidget.core.model.apply import apply_lr
from lrwidget.core.model.learning_rate import optimizer_of
from lrwidget.core.model.model_now import ModelNow
from lrwidget.core.model.reserve import is_reserved
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import BusyError, ConfigError, LRWidgetError, ModelError
from lrwidget.ui.finder.checks import checked_lr
from lrwidget.ui.looks.kept import KeptPicture
from lrwidget.ui.plan.optimizer_code import GIVEN_RATE, code_of_optimizer
from lrwidget.ui.plan.plan import Plan
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.words import text


class Applying:
    """The part of LRFinderWidget that changes the pick, the plan and the model."""

    _model: keras.Model
    _optimizer: keras.optimizers.Optimizer | None
    _learning_rate: Any
    _data: Any
    _config: RangeTestConfig
    _state: WidgetState
    _kept: KeptPicture
    _is_closed: bool

    def pick(self, lr: float) -> None:
        """Pick the learning rate that `apply` sets on the model.

        Raises:
            ConfigError: Not a finite number above 0.
        """
        self._state.pick(checked_lr(lr))

    def plan(self, kind: str, **numbers: float) -> None:
        """Choose how `apply` uses the pick.

        Args:
            kind: "constant", "step", "exponential decay", "cosine", "piecewise", "triangular",
                "triangular2", "cyclical, shrinking", "one-cycle" or "warm-up + hold + cosine".
            numbers: Values to use in place of those filled in from the pick and the data: `epochs`,
                `batches` (per epoch), `low_lr`, and the other arguments of the schedule.

        Raises:
            ConfigError: An unknown kind or number, or one that cannot be used.
        """
        with self._state.turn.taken():
            filled_in = dict.fromkeys(self._state.plan.changed(kind=kind).recipe.numbers)
            self._state.set_plan(kind=kind, **{**filled_in, **numbers})

    @property
    def code(self) -> str:
        """Python code that does what `apply` does.

        Raises:
            LRWidgetError: Nothing is picked, or a number of the schedule is missing.
        """
        self._check_open()
        pick = self._needed_pick()
        chosen = "" if self._learning_rate is None else GIVEN_RATE
        if self._optimizer is not None:
            chosen = code_of_optimizer(self._model, self._optimizer)
        return self._state.plan.code(pick, chosen)

    def apply(self) -> None:
        """Set the picked learning rate, or the schedule planned from it, on the model.

        Raises:
            LRWidgetError: Nothing is picked, a number of the schedule is missing, or there is no
                model.
            BusyError: A test is running.
        """
        self._check_open()
        self._check_has_model("Pass the pick to `lrwidget.apply_lr`; `code` shows how.")
        with self._state.turn.taken():
            self._check_idle("Apply")
            new = self._state.plan.learning_rate(self._needed_pick())
            change = apply_lr(self._model, new, self._optimizer, learning_rate=self._learning_rate)
            self._state.applied(change, self._steps_done(), self._next_call(self._state.plan))
        self._look_everywhere()
        self._kept.update()

    def _next_call(self, plan: Plan) -> str:
        """Return the call that trains as planned."""
        if not plan.is_schedule or plan.batches is None:
            return "model.fit(...)"
        size = f", batch_size={self._config.batch_size}" if is_unbatched(self._data) else ""
        return f"model.fit(...{size}, epochs={plan.epochs})"

    def _look(self) -> None:
        """Show the optimizer and the learning rate that the model has now.

        Not while a test moves the learning rate, whichever widget runs it.
        """
        if self._is_closed or self._model is None or is_reserved(self._model):
            return
        now = ModelNow.of(self._model, self._optimizer, self._learning_rate)
        self._state.show_model(now)

    def _look_everywhere(self) -> None:
        """Show what the model has now in all its widgets."""
        raise NotImplementedError

    def _steps_done(self) -> int:
        if self._learning_rate is not None:
            return 0
        return int(optimizer_of(self._model, self._optimizer).iterations.numpy())

    def _needed_pick(self) -> float:
        if self._state.picked_lr is None:
            raise LRWidgetError("Nothing is picked. Click the curve or call `pick(lr)` first.")
        return self._state.picked_lr

    def undo(self) -> None:
        """Restore the learning rate from before the last `apply`.

        Raises:
            LRWidgetError: There is nothing to undo.
            ModelError: The model was compiled again since then; the change is forgotten.
            BusyError: A test is running.
        """
        self._check_open()
        with self._state.turn.taken():
            self._check_idle("Undo")
            if not self._state.changes:
                raise LRWidgetError("Nothing to undo: this widget has applied no learning rate.")
            change = self._state.changes[-1]
            try:
                change.undo()
            except ModelError:
                self._state.forget(change)
                raise
            self._state.undone(change)
        self._look_everywhere()
        self._kept.update()

    def _check_idle(self, what: str) -> None:
        if self._state.is_busy:
            raise BusyError(
                f"{what} has to wait: a range test is running and changes the learning rate of the "
                "model. Call `wait()` or `stop()` first; your pick is kept."
            )

    def _check_has_model(self, remedy: str) -> None:
        if not self._state.has_model:
            raise LRWidgetError(f"{text.NO_MODEL}. {remedy}")

    def _check_open(self) -> None:
        if self._is_closed:
            raise LRWidgetError(
                "This widget is closed and has released the model and the data. Make a new "
                "one with `LRFinderWidget(model, data)`."
            )

    def _use_pressed(self) -> None:
        auto = self._state.suggestion("auto")
        if auto is not None and auto.lr is not None and not self._state.is_busy:
            self.pick(auto.lr)
            self.apply()

    def _apply_pressed(self) -> None:
        if not self._state.holds_back() and not self._state.questions_pick():
            self.apply()

    def _pointed_at(self, lr: float) -> None:
        if self._state.aims_low:
            self._check_low(lr)
            self._state.pick_low(lr)
        else:
            self.pick(lr)

    def _set_kind(self, kind: str) -> None:
        if kind != self._state.plan.kind:
            self._state.set_plan(kind=kind)

    def _check_low(self, lr: float | None) -> None:
        """Refuse a lower end that is not below the pick; the old one stays."""
        picked = self._state.picked_lr
        if lr is not None and picked is not None and lr >= picked:
            raise ConfigError(text.low_above_pick(lr, picked))

    def _set_plan_number(self, name: str, value: float | None) -> None:
        if name == "low_lr":
            self._check_low(value)
        self._state.set_plan(**{name: value})
