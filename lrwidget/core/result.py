"""RangeTestResult: what a range test measured, immutable and complete."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lrwidget.core import smoothing
from lrwidget.core.config import RangeTestConfig
from lrwidget.core.ladder import FloatArray
from lrwidget.core.purpose import OptimizerKind, Purpose, Target
from lrwidget.core.reading import Reading
from lrwidget.core.rules import RULES, check_rule
from lrwidget.core.suggest import Suggestion, suggest_over_sweeps
from lrwidget.errors import ConfigError, DataError

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd

StopReason = Literal["finished", "diverged", "non_finite", "stopped"]

_FORMAT = 2


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
        notes: What to know about the learning rates, in sentences: that one factor moved those of
            several optimizers, or that an optimizer limits its own. Usually empty.
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
        arrays = (self.lrs, self.losses, self.sweep_losses, *self.metrics.values())
        for array in (*arrays, self.validation_losses, self.sweep_validation_losses):
            array.setflags(write=False)

    def smoothed(
        self,
        amount: float = smoothing.DEFAULT_SMOOTHING,
        method: smoothing.Method = "centered",
    ) -> FloatArray:
        """Return the smoothed losses, shape (n,); see `lrwidget.smooth`."""
        return smoothing.smooth(self.losses, amount, method)

    def suggest(self, rule: str = "auto", target: Target = "constant") -> Suggestion:
        """Return what one rule suggests for the optimizer of the test; see `lrwidget.suggest`."""
        check_rule(rule)
        return self._suggest((rule,), target)[rule]

    def suggestions(self, target: Target = "constant") -> dict[str, Suggestion]:
        """Return what every rule suggests, by the rule's name, "auto" first."""
        return self._suggest(tuple(RULES), target)

    def _suggest(self, rules: tuple[str, ...], target: Target) -> dict[str, Suggestion]:
        sweeps = zip(self.sweep_losses, self.sweep_validation_losses, strict=True)
        return suggest_over_sweeps(
            rules,
            Purpose(target, self.optimizer),
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
            ConfigError: There is no such curve.
            ImportError: matplotlib is not installed.
        """
        values = self._shown(show)
        if ax is None:
            ax = _new_axes()
        measured = np.isfinite(values)
        lrs, values = self.lrs[measured], values[measured]
        smoothed = smoothing.smooth(values, smoothing.DEFAULT_SMOOTHING)
        ax.plot(lrs, values, color="tab:blue", alpha=0.35, linewidth=1, label=show)
        ax.plot(lrs, smoothed, color="tab:blue", linewidth=2, label="smoothed")
        for number, (marker, suggestion) in enumerate(
            zip("*ov^sD", self.suggestions().values(), strict=False)
        ):
            if suggestion.lr is not None and len(lrs):
                height = np.interp(np.log(suggestion.lr), np.log(lrs), smoothed)
                label = f"{suggestion.rule}: {suggestion.lr:.2e}"
                # "auto" comes first, below the others: larger, so that none of them covers it.
                color, size = ("gold", 17) if suggestion.rule == "auto" else (f"C{number}", 8)
                edge = "black" if suggestion.rule == "auto" else color
                ax.plot(
                    suggestion.lr,
                    height,
                    marker,
                    markersize=size,
                    color=color,
                    markeredgecolor=edge,
                    label=label,
                )
        named = {"loss": "Training loss of the batch", "validation_loss": "Validation loss"}
        ax.set(xscale="log", xlabel="Learning rate", ylabel=named.get(show, show))
        if len(smoothed) and show in named:
            low, high = smoothed.min(), np.maximum(smoothed[0], np.median(smoothed))
            ax.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)
        for name in (ax.yaxis.label, *ax.legend().get_texts()):
            name.set_parse_math(False)  # a `$` in the name of a metric or a rule is a `$`
        return ax

    def _shown(self, show: str) -> FloatArray:
        series = self.series()
        if show not in series:
            raise ConfigError(f"`show` must be one of {list(series)}; got show={show!r}.")
        return series[show]

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with one row for each learning rate.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "`RangeTestResult.to_frame` needs pandas: pip install pandas"
            ) from error
        columns = {"lr": self.lrs, "loss": self.losses, "smoothed_loss": self.smoothed()}
        if np.isfinite(self.validation_losses).any():
            columns["validation_loss"] = self.validation_losses
        return pd.DataFrame(columns | self.metrics)

    def save(self, path: str | Path) -> None:
        """Write everything to a JSON file that `load` reads back bit for bit."""
        content = {
            "format": _FORMAT,
            "lrs": self.lrs.tolist(),
            "losses": self.losses.tolist(),
            "sweep_losses": self.sweep_losses.tolist(),
            "metrics": {name: values.tolist() for name, values in self.metrics.items()},
            "stop_reason": self.stop_reason,
            "validation_losses": self.validation_losses.tolist(),
            "sweep_validation_losses": self.sweep_validation_losses.tolist(),
            "optimizer": self.optimizer,
            "restored": dataclasses.asdict(self.restored),
            "config": dataclasses.asdict(self.config),
            "versions": self.versions,
            "notes": list(self.notes),
        }
        Path(path).write_text(json.dumps(content, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "RangeTestResult":
        """Read a file that `save` wrote.

        Raises:
            DataError: The file is something else.
        """
        try:
            content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            known = content["format"] in (1, _FORMAT)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path} is not a file that `RangeTestResult.save` wrote.") from error
        if not known:
            raise DataError(
                f"{path} has format {content['format']!r}; this version reads up to {_FORMAT}. "
                "Update lrwidget."
            )
        # What format 1 did not have yet.
        content.setdefault("optimizer", "other")
        sweeps = len(content["sweep_losses"])
        content.setdefault("sweep_validation_losses", [content["validation_losses"]] * sweeps)
        names = ("lrs", "losses", "sweep_losses", "validation_losses", "sweep_validation_losses")
        return cls(
            **{name: np.array(content[name], dtype=np.float64) for name in names},
            metrics={name: np.array(values) for name, values in content["metrics"].items()},
            stop_reason=content["stop_reason"],
            config=RangeTestConfig(**content["config"]),
            restored=Restored(**content["restored"]),
            optimizer=content["optimizer"],
            versions=content["versions"],
            notes=tuple(content.get("notes", ())),
        )


def series_of(
    losses: FloatArray, metrics: dict[str, FloatArray], validation_losses: FloatArray
) -> dict[str, FloatArray]:
    """Return curves by name, the loss first, the validation loss last and only if measured."""
    validated = np.isfinite(validation_losses).any()
    last = {"validation_loss": validation_losses} if validated else {}
    return {"loss": losses} | {k: v for k, v in metrics.items() if k != "loss"} | last


def _new_axes() -> "matplotlib.axes.Axes":
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "`RangeTestResult.plot` needs matplotlib: pip install 'lrwidget[plot]'"
        ) from error
    return plt.subplots()[1]
