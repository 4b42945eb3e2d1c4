"""Overlays: one range test for each value of a hyperparameter, for the list of runs."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from lrwidget.core.advice.range_tests import PlannedTest, planned_tests
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError, LRWidgetError
from lrwidget.ui.finder.jobs import Quietly
from lrwidget.ui.finder.pace import REDRAW_SECONDS, AtMostEvery
from lrwidget.ui.state.state import WidgetState
from lrwidget.ui.state.suggested import Suggested
from lrwidget.ui.words.text import passed

OPTIMIZER = "optimizer"
CHANGES = ("weight_decay", "momentum", "batch_size", OPTIMIZER)
"""What an overlay can vary, as the Overlays of Smith (arXiv:1803.09820) do."""


def variants_typed(change: str, typed: str) -> list[dict[str, Any]]:
    """Return the variants of a change and the values that a person typed.

    >>> variants_typed("weight_decay", "0, 1e-4")
    [{'weight_decay': 0.0}, {'weight_decay': 0.0001}]

    Args:
        change: One of `CHANGES`.
        typed: The values, with commas between them: numbers, or names of Keras optimizers.

    Raises:
        ConfigError: A value cannot be used.
    """
    values = [each.strip() for each in typed.split(",") if each.strip()]
    if not values:
        raise ConfigError(f"Type the values of {change}, with commas between them.")
    return [{change: _value(change, each)} for each in values]


def _value(change: str, typed: str) -> Any:
    if change == OPTIMIZER:
        try:
            return keras.optimizers.get(typed)
        except ValueError as error:
            raise ConfigError(
                f"{passed(typed)} is no optimizer of Keras. Type names such as SGD, Adam."
            ) from error
    read = int if change == "batch_size" else float
    try:
        return read(typed)
    except ValueError as error:
        noun = "a whole number" if change == "batch_size" else "a number"
        raise ConfigError(f"{change}: {passed(typed)} is not {noun}.") from error


class OverlayJob:
    """Several range tests, each from the same start; see `Job`.

    Args:
        state: Shows them.
        tests: The tests.
        model: The model.
        data: The training data.
        shown: The result of the model as it is; None if the first test is the one of it.
    """

    def __init__(
        self,
        state: WidgetState,
        tests: list[PlannedTest],
        model: keras.Model,
        data: Any,
        shown: RangeTestResult | None,
    ) -> None:
        self._state, self._tests, self._shown = state, tests, shown
        self._held = [(model, data)]  # taken out to run, because the runner outlives it

    def run(
        self,
        stop: StopFlag,
        alone: bool,  # noqa: ARG002 (one protocol)
        quietly: Quietly,
        on_reserved: Callable[[], object],
    ) -> dict[str, RangeTestResult]:
        """Run the tests, as far as nobody stops them."""
        on_reserved()
        model, data = self._held.pop()
        results: dict[str, RangeTestResult] = {}
        for number, test in enumerate(self._tests):
            if stop.is_set():
                break
            quietly(self._state.begin_overlay)((test.name, number, len(self._tests)))
            redraw = AtMostEvery(REDRAW_SECONDS, quietly(self._state.advance))
            try:
                results[test.name] = test.run(model, data, on_update=redraw, stop=stop)
            except BaseException:
                redraw.flush()  # all that was measured stays on show
                raise
        return results

    def outcome(self, results: dict[str, RangeTestResult]) -> Callable[[], None]:
        """Return a function that shows all curves, and the suggestions for the model as it is."""
        suggested = {name: Suggested.of(result) for name, result in results.items()}
        shown = self._shown or next(iter(results.values()), None)
        if shown is not None:
            suggested[""] = Suggested.of(shown)
        return lambda: self._state.finish_overlay(results, suggested, shown)

    def fail(self, error: BaseException) -> None:
        """Show an error, and after how many steps it came."""
        self._state.fail_test(error)


def overlay(
    state: WidgetState,
    model: keras.Model,
    data: Any,
    variants: list[dict[str, Any]],
    config: RangeTestConfig,
    options: Mapping[str, Any],
) -> OverlayJob:
    """Return the job that runs one range test for each variant, over the same range.

    Without a result on show, the first test is one of the model as it is.

    Args:
        state: Shows the tests.
        model: The model.
        data: The training data.
        variants: What to change.
        config: The settings of every test.
        options: The other arguments of `range_test` that the widget was made with.

    Raises:
        LRWidgetError: A variant, a setting or the model cannot be used.
    """
    if options.get("learning_rate") is not None:
        raise LRWidgetError(
            "This widget was made with `learning_rate=`, and an overlay needs an optimizer whose "
            "settings it can change."
        )
    names = ("min_lr", "max_lr", "steps", "mode", "batch_size", "stop_factor", "sweeps", "seed")
    settings: Any = {name: getattr(config, name) for name in (*names, "monitor")}
    settings |= {name: each for name, each in options.items() if each is not None}
    if state.result is None:
        variants = [{}, *variants]
    tests = planned_tests(model, variants, settings)
    return OverlayJob(state, tests, model, data, state.result)
