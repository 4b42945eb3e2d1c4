"""RangeTestResult: what a range test measured, immutable and complete."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

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
from lrwidget.core.checks import as_choice, as_text
from lrwidget.core.curve import smoothing
from lrwidget.core.curve.drawing import axes_of, draw_curve
from lrwidget.core.curve.purpose import OptimizerKind, Purpose, Target
from lrwidget.core.curve.reading import Reading
from lrwidget.core.curve.rules import RULES, check_rule
from lrwidget.core.curve.suggest import Suggestion, suggest_over_sweeps
from lrwidget.core.range_test.result_file import (
    check_keys,
    of_older_format,
    read_json,
    to_json,
    with_nan,
    write_json,
)
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError, DataError, MissingPackageError

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd

StopReason = Literal["finished", "diverged", "non_finite", "stopped"]

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


@dataclass(frozen=True)
class Restored:
    """The proof that a range test left no trace; true where it did not.

    Attributes:
        before: Fingerprint of all state before the test: a CRC-32 over the bytes of the
            model's, the optimizer's and the metrics' variables and the global random state.
        after: The same, taken after everything was put back.
    """

    before: str
    after: str

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"`{name}` must be a string; got {getattr(self, name)!r}.")

    def __bool__(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """What one range test measured.

    Attributes:
        lrs: Learning rates that were tried, shape (n,), increasing. A test that ended early
            has fewer than `config.steps`; every value is finite.
        losses: The training loss of each step's own batch, shape (n,); over several sweeps,
            their median.
        sweep_losses: The same for each sweep, shape (sweeps, n).
        metrics: The model's own metrics of each batch by name, each of shape (n,), median
            over the sweeps.
        stop_reason: "finished", "diverged", "non_finite" (the next loss was NaN or infinite)
            or "stopped" (on request). Of several sweeps, the reason of the shortest.
        config: The settings of the test, with the seed that was used.
        restored: The proof that the model is what it was.
        validation_losses: Loss on the fixed validation subset after each step, NaN where it
            was not measured, shape (n,); median over the sweeps.
        sweep_validation_losses: The same for each sweep, shape (sweeps, n).
        optimizer: What took the steps, as `suggest` takes it.
        versions: Versions of the libraries that ran it, by name.
        notes: What to know about the test, in sentences: that one factor moved the learning rates
            of several optimizers, that an optimizer limits its own, or that a loss was not finite
            because of the data and not of the learning rate. Usually empty.
    """

    lrs: FloatArray
    losses: FloatArray
    sweep_losses: FloatArray
    metrics: dict[str, FloatArray]
    stop_reason: StopReason
    config: RangeTestConfig
    restored: Restored
    validation_losses: FloatArray
    sweep_validation_losses: FloatArray
    optimizer: OptimizerKind = "other"
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Replace what was passed by read-only copies of the arrays and plain values.

        Raises:
            ConfigError: The values do not belong together, or one cannot be used.
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
        for name, kind in (("config", RangeTestConfig), ("restored", Restored)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(
                    f"`{name}` must be a {kind.__name__}; got {type(getattr(self, name)).__name__}."
                )
        versions = _as_dict("versions", self.versions)
        return {
            "stop_reason": as_choice("stop_reason", self.stop_reason, get_args(StopReason)),
            "optimizer": as_choice("optimizer", self.optimizer, get_args(OptimizerKind)),
            "versions": {
                as_text("versions", name): as_text(f"versions[{name!r}]", version)
                for name, version in versions.items()
            },
            "notes": tuple(as_text("notes", note) for note in _as_list("notes", self.notes)),
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
        """Return what one rule suggests for the optimizer of the test; see `lrwidget.suggest`."""
        check_rule(rule)
        return self._suggest((rule,), target, train_steps)[rule]

    def suggestions(
        self, target: Target = "constant", *, train_steps: int | None = None
    ) -> dict[str, Suggestion]:
        """Return what every rule suggests, by the rule's name, "auto" first."""
        return self._suggest(tuple(RULES), target, train_steps)

    def _suggest(
        self, rules: tuple[str, ...], target: Target, train_steps: int | None
    ) -> dict[str, Suggestion]:
        sweeps = zip(self.sweep_losses, self.sweep_validation_losses, strict=True)
        return suggest_over_sweeps(
            rules,
            Purpose(target, self.optimizer, train_steps),
            Reading.of(self.lrs, self.losses, self.validation_losses),
            [Reading.of(self.lrs, *each) for each in sweeps],
        )

    def series(self) -> dict[str, FloatArray]:
        """Return every curve that was measured, by the name that `plot` takes.

        Returns:
            "loss" first, then the model's metrics, and "validation_loss" where it was asked
            for; each of shape (n,).
        """
        return series_of(self.losses, self.metrics, self.validation_losses)

    def plot(
        self, ax: "matplotlib.axes.Axes | None" = None, show: str = "loss"
    ) -> "matplotlib.axes.Axes":
        """Draw a curve, raw and smoothed, and the suggestions with matplotlib.

        Args:
            ax: Where to draw; None makes a new figure.
            show: "loss", the name of a metric such as "accuracy", or "validation_loss".

        Raises:
            ConfigError: There is no such curve, or `ax` is something else.
            MissingPackageError: matplotlib is not installed.
        """
        values = self._shown(show)
        axes = axes_of(ax)
        draw_curve(axes, self.lrs, values, show, self.suggestions())
        return axes

    def _shown(self, show: str) -> FloatArray:
        series = self.series()
        return series[as_choice("show", show, series)]

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each learning rate.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingPackageError(
                "`RangeTestResult.to_frame` needs pandas: pip install pandas"
            ) from error
        columns = {"lr": self.lrs, "loss": self.losses, "smoothed_loss": self.smoothed()}
        if np.isfinite(self.validation_losses).any():
            columns["validation_loss"] = self.validation_losses
        return pd.DataFrame(columns | self.metrics)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file that `load` reads back bit for bit.

        A file of that name is replaced once the new one is complete.

        Args:
            path: Of the file, in a folder that exists.

        Raises:
            ConfigError: `path` is no path.
            FileError: The file cannot be written.
        """
        content = {name: to_json(getattr(self, name).tolist()) for name in _ARRAYS}
        content |= {
            "metrics": {name: to_json(each.tolist()) for name, each in self.metrics.items()},
            "stop_reason": self.stop_reason,
            "optimizer": self.optimizer,
            "restored": dataclasses.asdict(self.restored),
            "config": self.config.as_json(),
            "versions": self.versions,
            "notes": list(self.notes),
        }
        write_json(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "RangeTestResult":
        """Read a file that `save` wrote. Keys that are not known are ignored with a warning.

        Args:
            path: Of the file.

        Raises:
            ConfigError: `path` is no path.
            FileError: The file cannot be read.
            DataError: The file is something else, or a value in it is missing or wrong.
        """
        version, content = read_json(path)
        if version < 3:
            content = of_older_format(content)
        known = {"format": True} | {each.name: True for each in dataclasses.fields(cls)}
        content = check_keys(path, "the file", content, known)
        content.pop("format")
        content["config"] = _loaded(path, "config", RangeTestConfig, content, version)
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
    # Settings that an older format did not have keep their defaults.
    known = {
        each.name: version > 2 or each.default is dataclasses.MISSING
        for each in dataclasses.fields(kind)
    }
    part = check_keys(path, f"`{name}`", content[name], known, callers=2)
    try:
        return kind(**part)
    except ConfigError as error:
        raise DataError(f"{path} cannot be used: in `{name}`, {error}") from error


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
    """Return curves by name, the loss first, the validation loss last and only if measured."""
    validated = np.isfinite(validation_losses).any()
    last = {"validation_loss": validation_losses} if validated else {}
    return {"loss": losses} | {k: v for k, v in metrics.items() if k != "loss"} | last
