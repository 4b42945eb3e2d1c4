"""RangeTestResult: all measurements of a range test, immutable."""

import dataclasses
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lrwidget.core.arrays import (
    FloatArray,
    as_finite_losses,
    as_finite_sweeps,
    as_losses,
    as_rates,
    as_sweeps,
    check_same_length,
)
from lrwidget.core.checks import as_choice, as_count, as_text
from lrwidget.core.curve import smoothing
from lrwidget.core.curve.drawing import png_of
from lrwidget.core.curve.ending import Ending, NonFiniteCause, StopReason
from lrwidget.core.curve.ladder import format_lr
from lrwidget.core.curve.purpose import OptimizerKind, Purpose, Target
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.rules import RULES, check_rule
from lrwidget.core.curve.suggest import Suggestion, suggest_over_sweeps
from lrwidget.core.frames import pandas_for
from lrwidget.core.json_file import check_keys, read_json, to_json, with_nan, write_json
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.elsewhere import measured_elsewhere
from lrwidget.core.range_test.result_file import FORMAT, of_older_format
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.core.versions import versions_of
from lrwidget.errors import ConfigError, DataError

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd

Check = Callable[[str, Any], FloatArray]

_ARRAYS: dict[str, Check] = {
    "lrs": as_rates,
    "losses": as_finite_losses,
    "sweep_losses": as_finite_sweeps,
    "validation_losses": as_losses,
    "sweep_validation_losses": as_sweeps,
}
# They hold NaN where nothing was measured.
_WITH_NAN = ("validation_losses", "sweep_validation_losses", "metrics")


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """The result of one range test.

    Attributes:
        lrs: Learning rates that were tried, shape (n,), increasing. A test that ended early
            has fewer than `config.steps`; every value is finite.
        losses: The training loss of each step's own batch, shape (n,); over several sweeps,
            their median.
        sweep_losses: The losses of each sweep, shape (sweeps, n).
        metrics: The model's own metrics of each batch by name, each of shape (n,); over several
            sweeps, their median.
        stop_reason: "finished", "diverged", "non_finite" (the next loss was NaN or infinite)
            or "stopped" (on request). For several sweeps, the reason of the shortest.
        config: The settings of the test, including the seed that was used.
        restored: True if the model was restored exactly; None if the losses come from a training
            loop that cannot be restored, or were measured elsewhere.
        validation_losses: Loss of the validation sample after each step, NaN where it was not
            measured, shape (n,); over several sweeps, their median.
        sweep_validation_losses: The validation losses of each sweep, shape (sweeps, n).
        optimizer: The kind of optimizer that trained: "sgd", "momentum", "rmsprop" or "other"; see
            `suggest`.
        versions: Versions of the libraries that ran the test, by name.
        notes: Sentences for the user: that one factor moved the learning rates of several
            optimizers, that an optimizer limits its own learning rate, or that a loss was not
            finite because of the data and not of the learning rate. Usually empty.
        non_finite_cause: Why the next loss was NaN or infinite: "learning_rate", "data" (the
            batch contains NaN or infinity), "first_loss" (before any update) or "gradient" (at the
            first update, however small the rate). None if the loss was finite or the cause is
            unknown.
        updates_before: Number of updates of the optimizer before the test; None if unknown.
    """

    lrs: FloatArray
    losses: FloatArray
    sweep_losses: FloatArray
    metrics: dict[str, FloatArray]
    stop_reason: StopReason
    config: RangeTestConfig
    restored: Restored | None
    validation_losses: FloatArray
    sweep_validation_losses: FloatArray
    optimizer: OptimizerKind = "other"
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    non_finite_cause: NonFiniteCause | None = None
    updates_before: int | None = None

    def __post_init__(self) -> None:
        """Replace the arguments by read-only copies of the arrays and plain values.

        Raises:
            ConfigError: A value cannot be used, or the values do not match each other.
        """
        checked = self._checked_arrays() | self._checked_names()
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for array in (*(checked[name] for name in _ARRAYS), *checked["metrics"].values()):
            array.setflags(write=False)

    def _checked_arrays(self) -> dict[str, Any]:
        arrays = {name: check(name, getattr(self, name)) for name, check in _ARRAYS.items()}
        metrics = {
            as_text("metrics", name): as_losses(f"metrics[{name!r}]", values)
            for name, values in _as_dict("metrics", self.metrics).items()
        }
        for name, array in {**arrays, **metrics}.items():
            check_same_length("lrs", arrays["lrs"], name, array)
        if len(arrays["sweep_losses"]) != len(arrays["sweep_validation_losses"]):
            raise ConfigError(
                "`sweep_losses` and `sweep_validation_losses` must have one row for each sweep; "
                f"got {len(arrays['sweep_losses'])} and {len(arrays['sweep_validation_losses'])}."
            )
        return arrays | {"metrics": metrics}

    def _checked_names(self) -> dict[str, Any]:
        _check_kind("config", self.config, RangeTestConfig)
        if self.restored is not None:
            _check_kind("restored", self.restored, Restored)
        versions = _as_dict("versions", self.versions)
        return {
            "stop_reason": as_choice("stop_reason", self.stop_reason, get_args(StopReason)),
            "optimizer": as_choice("optimizer", self.optimizer, get_args(OptimizerKind)),
            "versions": {
                as_text("versions", name): as_text(f"versions[{name!r}]", version)
                for name, version in versions.items()
            },
            "notes": tuple(as_text("notes", note) for note in _as_list("notes", self.notes)),
            "non_finite_cause": None
            if self.non_finite_cause is None
            else as_choice("non_finite_cause", self.non_finite_cause, get_args(NonFiniteCause)),
            "updates_before": None
            if self.updates_before is None
            else as_count("updates_before", self.updates_before, at_least=0),
        }

    def smoothed(
        self,
        amount: float = smoothing.DEFAULT_SMOOTHING,
        method: smoothing.Method = "centered",
    ) -> FloatArray:
        """Return the smoothed losses, shape (n,); see `lrwidget.smooth`."""
        return smoothing.smooth(self.losses, amount, method)

    def suggest(
        self, rule: str = "auto", target: Target = "constant", *, train_steps: int | None = None
    ) -> Suggestion:
        """Return the suggestion of one rule, for the optimizer of the test; see `suggest`."""
        check_rule(rule)
        return self._suggest((rule,), target, train_steps)[rule]

    def suggestions(
        self, target: Target = "constant", *, train_steps: int | None = None
    ) -> dict[str, Suggestion]:
        """Return the suggestions of all rules by the rule's name, "auto" first."""
        return self._suggest(tuple(RULES), target, train_steps)

    @cached_property
    def _readings(self) -> tuple[Reading, list[Reading]]:
        """The readings of the median curve and of each of several sweeps, made only once."""
        middle = Reading.from_losses(self.lrs, self.losses, self.validation_losses)
        if len(self.sweep_losses) < 2:
            return middle, []
        sweeps = zip(self.sweep_losses, self.sweep_validation_losses, strict=True)
        return middle, [Reading.from_losses(self.lrs, *each) for each in sweeps]

    def _suggest(
        self, rules: tuple[str, ...], target: Target, train_steps: int | None
    ) -> dict[str, Suggestion]:
        return suggest_over_sweeps(
            rules,
            Purpose(target, self.optimizer, train_steps),
            *self._readings,
            Ending(self.stop_reason, self.non_finite_cause, self.updates_before),
        )

    def series(self) -> dict[str, FloatArray]:
        """Return every curve that was measured, by the name that `plot` takes.

        Returns:
            "loss" first, then the model's metrics, and "validation_loss" if it was measured; each
            of shape (n,).
        """
        return series_of(self.losses, self.metrics, self.validation_losses)

    def plot(
        self,
        ax: "matplotlib.axes.Axes | None" = None,
        show: str = "loss",
        *,
        rules: Iterable[str] | None = None,
        target: Target = "constant",
        smoothing: float = smoothing.DEFAULT_SMOOTHING,
        method: smoothing.Method = "centered",
        picked: float | None = None,
        bounds: bool = False,
        sweeps: bool = True,
    ) -> "matplotlib.axes.Axes":
        """Draw a curve, raw and smoothed, and the suggestions with matplotlib.

        The learning rate is on a logarithmic axis; on a linear one for the linear mode. The
        legend is to the right of the axes, which become narrower for it.

        Args:
            ax: The axes to draw on; None makes a new figure.
            show: "loss", the name of a metric such as "accuracy", or "validation_loss".
            rules: Names of the rules whose suggestions are marked, each with its interval if it
                has one; None for all, () for none.
            target: What the suggestions are for: "constant", or the peak of a "one_cycle".
            smoothing: Smoothing of the bold curve, in [0, 1); see `lrwidget.smooth`.
            method: "centered" or "ema"; see `lrwidget.smooth`.
            picked: A learning rate > 0 to mark with a line.
            bounds: Whether to mark the bounds for a cyclical learning rate, read off the drawn
                curve; see `lrwidget.suggest_bounds`.
            sweeps: Whether to draw a band from the 10 % to the 90 % quantile of the smoothed
                losses of several sweeps.

        Returns:
            The axes.

        Raises:
            ConfigError: There is no such curve or rule, or another argument cannot be used.
            MissingPackageError: matplotlib is not installed.
        """
        from lrwidget.core.range_test.result_drawing import Picture, draw_result

        picture = Picture(show, rules, target, smoothing, method, picked, bounds, sweeps)
        return draw_result(ax, self, picture)

    def __repr__(self) -> str:
        if not len(self.lrs):
            return f"RangeTestResult(no learning rates, {self.stop_reason})"
        ends = f"{format_lr(self.lrs[0])} to {format_lr(self.lrs[-1])}"
        found = self.suggest().lr if len(self.lrs) > 1 else None
        said = "no suggestion" if found is None else f"suggested {format_lr(found)}"
        return f"RangeTestResult({len(self.lrs)} rates, {ends}, {self.stop_reason}, {said})"

    def _repr_png_(self) -> bytes | None:
        """Return the plot, which a notebook shows."""
        return png_of(self.plot) if len(self.lrs) > 1 else None

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each learning rate.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = pandas_for("RangeTestResult.to_frame")
        columns = {"lr": self.lrs, "loss": self.losses, "smoothed_loss": self.smoothed()}
        if np.isfinite(self.validation_losses).any():
            columns["validation_loss"] = self.validation_losses
        return pandas.DataFrame(columns | self.metrics)

    @classmethod
    def from_losses(
        cls,
        lrs: Any,
        losses: Any,
        *,
        metrics: dict[str, Any] | None = None,
        validation_losses: Any = None,
        optimizer: OptimizerKind = "other",
    ) -> "RangeTestResult":
        """Return the result of a range test whose losses were measured elsewhere.

        The curve ends before the first loss that is not finite in any sweep.

        >>> result = RangeTestResult.from_losses([0.001, 0.01, 0.1, 1.0], [2.0, 1.0, 0.5, np.nan])
        >>> result.losses, result.stop_reason
        (array([2. , 1. , 0.5]), 'non_finite')

        Args:
            lrs: Learning rates, shape (n,), n >= 2, increasing, > 0 in float32.
            losses: The loss of each batch, not smoothed, shape (n,), or (sweeps, n) for several
                sweeps.
            metrics: Further values of each batch by name, each of shape (n,).
            validation_losses: Loss of one validation sample after each step, NaN where it was not
                measured; same shape as the losses.
            optimizer: The kind of optimizer that trained; see `lrwidget.suggest`.

        Returns:
            A result whose `restored` is None. `stop_reason` is "non_finite" if a loss is not
            finite, otherwise "finished".

        Raises:
            ConfigError: The arrays are not a valid curve, or do not match each other.
        """
        content = measured_elsewhere(
            lrs, losses, {} if metrics is None else _as_dict("metrics", metrics), validation_losses
        )
        return cls(**content, optimizer=optimizer, restored=None, versions=versions_of())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file that `load` reads back bit for bit.

        An existing file is replaced when the new one is complete.

        Args:
            path: Path of the file, in a folder that exists.

        Raises:
            ConfigError: `path` is not a path.
            FileError: The file cannot be written.
        """
        content = {name: to_json(getattr(self, name).tolist()) for name in _ARRAYS}
        content |= {
            "metrics": {name: to_json(each.tolist()) for name, each in self.metrics.items()},
            "stop_reason": self.stop_reason,
            "optimizer": self.optimizer,
            "restored": None if self.restored is None else dataclasses.asdict(self.restored),
            "config": self.config.as_json(),
            "versions": self.versions,
            "notes": list(self.notes),
            "non_finite_cause": self.non_finite_cause,
            "updates_before": self.updates_before,
        }
        write_json(path, FORMAT, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "RangeTestResult":
        """Read a file that `save` wrote. Unknown keys are ignored with a warning.

        Args:
            path: Path of the file.

        Raises:
            ConfigError: `path` is not a path.
            FileError: The file cannot be read.
            DataError: `save` did not write the file, or a value in it is missing or wrong.
        """
        version, content = read_json(path, FORMAT, "RangeTestResult.save")
        content = of_older_format(content, version)
        known = {"format": True} | {each.name: True for each in dataclasses.fields(cls)}
        content = check_keys(path, "the file", content, known)
        content.pop("format")
        content["config"] = _loaded(path, "config", RangeTestConfig, content, version)
        if content["restored"] is not None:
            content["restored"] = _loaded(path, "restored", Restored, content, version)
        try:
            content["metrics"] = dict(_as_dict("metrics", content["metrics"]))
            for name in _WITH_NAN:
                content[name] = with_nan(content[name])
            return cls(**content)
        except ConfigError as error:
            raise DataError(f"{path} cannot be used: {error}") from error


def _loaded(path: Any, name: str, kind: Any, content: dict[str, Any], version: int) -> Any:
    """Return a part of a file as an object of its class."""
    # Settings that an older format does not contain keep their defaults.
    known = {
        each.name: version > 2 or each.default is dataclasses.MISSING
        for each in dataclasses.fields(kind)
    }
    part = check_keys(path, f"`{name}`", content[name], known, callers=2)
    try:
        return kind(**part)
    except ConfigError as error:
        raise DataError(f"{path} cannot be used: in `{name}`, {error}") from error


def _check_kind(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ConfigError(f"`{name}` must be a {kind.__name__}; got {type(value).__name__}.")


def _as_dict(name: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"`{name}` must be a dictionary; got {type(value).__name__}.")
    return value


def _as_list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"`{name}` must be a list; got {type(value).__name__}.")
    return list(value)


def series_of(
    losses: FloatArray, metrics: dict[str, FloatArray], validation_losses: FloatArray
) -> dict[str, FloatArray]:
    """Return curves by name: the loss first, and the validation loss last, if measured."""
    validated = np.isfinite(validation_losses).any()
    last = {"validation_loss": validation_losses} if validated else {}
    return {"loss": losses} | {k: v for k, v in metrics.items() if k != "loss"} | last
