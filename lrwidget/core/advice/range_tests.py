"""range_tests: one range test for each of several ways to train a model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import keras

from lrwidget.core.compare.variants import Variant, variants_of
from lrwidget.core.curve.drawing import Room, axes_of, legend_at_right, line_styles, shown_label
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.purpose import Target
from lrwidget.core.curve.smoothing import smooth
from lrwidget.core.curve.suggest import Suggestion
from lrwidget.core.frames import pandas_for
from lrwidget.core.model.learning_rate import optimizer_of
from lrwidget.core.model.optimizer_copy import fresh_copy, swapped, with_slots_of
from lrwidget.core.model.reserve import check_free
from lrwidget.core.range_test.range_test import range_test
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestSettings
from lrwidget.errors import ConfigError

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

_SMOOTHING = 0.5


class RangeTests(Mapping[str, RangeTestResult]):
    """Range tests of several variants: a mapping from their names to their results.

    Args:
        results: The results by name.
    """

    def __init__(self, results: Mapping[str, RangeTestResult]) -> None:
        self._results = dict(results)

    def __getitem__(self, name: str) -> RangeTestResult:
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def suggestions(self, rule: str = "auto", target: Target = "constant") -> dict[str, Suggestion]:
        """Return the suggestion of one rule for each variant, by name."""
        return {name: result.suggest(rule, target) for name, result in self.items()}

    def plot(self, ax: "Axes | None" = None, smoothing: float = _SMOOTHING) -> "Axes":
        """Draw all curves in one chart with matplotlib, each with the suggestion of "auto".

        Args:
            ax: The axes to draw on; None makes a new figure.
            smoothing: As for `smooth`.

        Returns:
            The axes.

        Raises:
            ConfigError: An argument cannot be used.
            MissingPackageError: matplotlib is not installed.

        Source: the overlays of Leslie N. Smith, arXiv:1803.09820, figures 5 and 6.
        """
        curves = {name: smooth(each.losses, smoothing) for name, each in self.items()}
        axes = axes_of(ax, "RangeTests.plot")
        room = Room(axes)
        for (name, result), style in zip(self.items(), line_styles(), strict=False):
            suggestion = result.suggest()
            found = (
                "no suggestion" if suggestion.lr is None else f"auto: {format_lr(suggestion.lr)}"
            )
            label = f"{shown_label(name)} ({found})"
            axes.plot(result.lrs, curves[name], label=label, linewidth=1.8, **style)
            if suggestion.lr is not None and suggestion.index is not None:
                height = curves[name][suggestion.index]
                axes.plot(suggestion.lr, height, "*", markersize=13, color=style["color"])
        if any(len(curve) for curve in curves.values()):
            low = min(float(curve.min()) for curve in curves.values() if len(curve))
            high = max(float(curve[0]) for curve in curves.values() if len(curve))
            axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)
        axes.set(xscale="log", xlabel="Learning rate", ylabel="Training loss, smoothed")
        legend_at_right(axes)
        room.make(axes)
        return axes

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row for each point of each curve.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = pandas_for("RangeTests.to_frame")
        frames = [result.to_frame().assign(name=name) for name, result in self.items()]
        return pandas.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        found = ", ".join(
            f"{name}: {'none' if each.lr is None else format_lr(each.lr)}"
            for name, each in self.suggestions().items()
        )
        return f"RangeTests({found})"


def range_tests(
    model: keras.Model, data: Any, variants: Any, **settings: Unpack[RangeTestSettings]
) -> RangeTests:
    """Run one range test for each of several ways to train a model, from the same start.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`.
        variants: As for `compare`, without learning rates: optimizers, or dicts of changes such
            as {"weight_decay": 1e-4} or {"batch_size": 64}; {} is the model as it is.
        settings: Settings of `range_test`; all tests get the same ones, and the same seed.

    Returns:
        The results by the names of the variants.

    Raises:
        LRWidgetError: A variant, a setting, the model or the data cannot be used. The model is
            unchanged.
        Exception: Any error of the model or the data, raised after the model is restored.

    Source: Leslie N. Smith, arXiv:1803.09820, sections 4.2 to 4.4.
    """
    tests = planned_tests(model, variants, settings)
    return RangeTests({test.name: test.run(model, data) for test in tests})


@dataclass(frozen=True, eq=False)
class PlannedTest:
    """The range test of one variant.

    Attributes:
        name: Name of the variant.
        settings: The arguments of `range_test`.
        place: Returns a context in which the model has the optimizer of the variant.
    """

    name: str
    settings: RangeTestSettings
    place: Callable[[], AbstractContextManager[object]]

    def run(self, model: keras.Model, data: Any, **observing: Any) -> RangeTestResult:
        """Run the test; `observing` are `on_update` and `stop` of `range_test`."""
        with self.place():
            return range_test(model, data, **self.settings, **observing)


def planned_tests(
    model: keras.Model, variants: Any, settings: RangeTestSettings
) -> list[PlannedTest]:
    """Return the range tests of several variants, before any of them is run.

    Args:
        model: A compiled Keras model.
        variants: As for `range_tests`.
        settings: As for `range_tests`.

    Raises:
        LRWidgetError: A variant, a setting or the model cannot be used.
    """
    chosen = settings.pop("optimizer", None)
    present = optimizer_of(model, chosen)
    check_free(model)
    found = variants_of(variants, present, None)
    for variant in found:
        if variant.rate is not None:
            raise ConfigError(
                f"Variant {variant.name!r} has a learning rate, which the range test itself moves. "
                "Leave it out, or use `compare` to compare learning rates."
            )
    if settings.get("seed") is None:
        settings["seed"] = 0
    planned = []
    for variant in found:
        optimizer = _optimizer_for(variant, present, model)
        own: RangeTestSettings = {**settings}
        if variant.batch_size is not None:
            own["batch_size"] = variant.batch_size
        if chosen is not None:
            own["optimizer"] = optimizer or chosen
        place = nullcontext if optimizer is None else partial(swapped, model, present, optimizer)
        planned.append(PlannedTest(variant.name, own, place))
    return planned


def _optimizer_for(
    variant: Variant, present: keras.optimizers.Optimizer, model: keras.Model
) -> keras.optimizers.Optimizer | None:
    """Return the optimizer that trains a variant; None for that of the model."""
    if variant.trains_as_it_is:
        return None
    new = fresh_copy(variant.optimizer or present, variant.changes)
    return new if variant.optimizer is not None else with_slots_of(new, present, model)
