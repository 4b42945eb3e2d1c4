"""RangeTestConfig: the settings of one range test, validated as a whole."""

import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from lrwidget.core.checks import MAX_SWEEPS, as_count, as_flag, as_number, as_rate, as_text
from lrwidget.core.curve.ladder import (
    FloatArray,
    Mode,
    as_mode,
    as_steps,
    format_lr,
    lr_ladder,
    skips_decades,
    words_for_skipped_decades,
)
from lrwidget.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from lrwidget.core.data.reader import StopFlag
    from lrwidget.core.range_test.growing_curve import Update

PROBE_STEPS = 30
"""Training steps of a probe, taken from those of the test: three for each decade it searches."""

FEWEST_STEPS_WITH_PROBE = 2 * PROBE_STEPS
"""With fewer steps, a probe would leave too few: see 50 steps in docs/regret.md."""

LOWEST, HIGHEST = 1e-8, 100.0
"""The widest range that a probe searches."""

# With the number of a sweep added it still fits into 64 bits.
_MAX_SEED = 2**62


class SettingsOfSweeps(TypedDict, total=False):
    """The settings of `RangeTestConfig` besides its limits, with the meanings given there."""

    steps: int
    mode: Mode
    batch_size: int
    stop_factor: float | None
    sweeps: int
    seed: int | None
    monitor: str


class RangeTestSettings(SettingsOfSweeps, total=False):
    """The keyword arguments of `range_test`, with the meanings given there."""

    min_lr: float | None
    max_lr: float | None
    validation_data: Any
    class_weight: dict[int, float] | None
    optimizer: "keras.optimizers.Optimizer | None"
    learning_rate: Any
    on_update: "Callable[[Update], object] | None"
    stop: "StopFlag | None"


@dataclass(frozen=True, kw_only=True)
class RangeTestConfig:
    """The settings of one range test.

    Args:
        min_lr: First learning rate, > 0 in float32.
        max_lr: Last learning rate, > min_lr, finite in float32.
        steps: Optimizer updates in a sweep, from 2 to 1,000,000: one for each learning rate. If a
            limit is left to a probe, its 30 steps are among them.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, if the data are arrays.
        stop_factor: The test stops when the loss has risen above its best by this many
            thirds of its fall, > 0; None and `math.inf` never stop it.
        sweeps: Passes over the ladder, each from the same start but with a different data order,
            from 1 to 1,000.
        seed: Seed for the order of arrays and of pipelines that shuffle, >= 0; None draws one.
        monitor: The name under which the model's training step reports the loss.
        probes_min: If true, a probe finds min_lr and the value given is ignored.
        probes_max: The same for max_lr.

    Raises:
        ConfigError: A value that cannot be used.
    """

    min_lr: float = 1e-7
    max_lr: float = 10.0
    steps: int = 100
    mode: Mode = "exponential"
    batch_size: int = 32
    stop_factor: float | None = 4.0
    sweeps: int = 1
    seed: int | None = None
    monitor: str = "loss"
    probes_min: bool = False
    probes_max: bool = False

    @classmethod
    def of(
        cls, min_lr: float | None, max_lr: float | None, **settings: Unpack[SettingsOfSweeps]
    ) -> "RangeTestConfig":
        """Return the settings; a probe finds a limit that is None."""
        config = cls(
            min_lr=LOWEST if min_lr is None else min_lr,
            max_lr=HIGHEST if max_lr is None else max_lr,
            probes_min=min_lr is None,
            probes_max=max_lr is None,
            **settings,
        )
        config._warn_of_skipped_decades()
        return config

    def __post_init__(self) -> None:
        for name, value in self._checked().items():
            object.__setattr__(self, name, value)
        low, high = self._widest()
        if self.probes and not low < high:
            fixed = f"max_lr={high:g}" if self.probes_min else f"min_lr={low:g}"
            raise ConfigError(
                f"A probe looks for the range between {LOWEST:g} and {HIGHEST:g}, which does not "
                f"go with {fixed}. Pass both `min_lr` and `max_lr`."
            )
        lr_ladder(low, high, self.steps, self.mode)

    def _checked(self) -> dict[str, Any]:
        """Return every setting as a plain Python value."""
        return {
            "min_lr": as_rate("min_lr", self.min_lr),
            "max_lr": as_rate("max_lr", self.max_lr),
            "steps": as_steps(self.steps),
            "mode": as_mode(self.mode),
            "batch_size": as_count("batch_size", self.batch_size, at_least=1),
            "stop_factor": _stop_factor(self.stop_factor),
            "sweeps": as_count("sweeps", self.sweeps, at_least=1, at_most=MAX_SWEEPS),
            "seed": None if self.seed is None else as_count("seed", self.seed, at_most=_MAX_SEED),
            "monitor": as_text("monitor", self.monitor),
            "probes_min": as_flag("probes_min", self.probes_min),
            "probes_max": as_flag("probes_max", self.probes_max),
        }

    def ladder(self) -> FloatArray:
        """Return the learning rates of the test, shape (steps,)."""
        return lr_ladder(self.min_lr, self.max_lr, self.steps, self.mode)

    def as_json(self) -> dict[str, Any]:
        """Return the settings for a JSON file: a `stop_factor` that never stops is None."""
        settings = asdict(self)
        return settings | {
            "stop_factor": None if self.stop_factor == math.inf else self.stop_factor
        }

    @property
    def probes(self) -> bool:
        """Whether a probe finds a limit before the test."""
        return self.probes_min or self.probes_max

    def of_probe(self) -> "RangeTestConfig":
        """Return the settings of the probe: few steps over the widest range."""
        low, high = self._widest()
        one_sweep = replace(self, mode="exponential", steps=PROBE_STEPS, sweeps=1)
        return one_sweep._with_limits(low, high)

    def after_probe(self, min_lr: float, max_lr: float) -> "RangeTestConfig":
        """Return the settings of the steps after a probe that has found these limits.

        With the same seed, they give the same curve again without a probe.
        """
        return replace(self, steps=self.steps - PROBE_STEPS)._with_limits(min_lr, max_lr)

    def or_without_probe(
        self, reads_data_once: bool = False
    ) -> tuple["RangeTestConfig", tuple[str, ...]]:
        """Return these settings, or those without a probe where there can be none, with a note.

        Without a probe, the limits that were left to it are 1e-7 and 10.

        >>> config, notes = RangeTestConfig.of(None, 1.0, steps=50).or_without_probe()
        >>> config.min_lr, config.max_lr, config.steps, config.probes, len(notes)
        (1e-07, 1.0, 50, False, 1)

        Args:
            reads_data_once: Whether the data can be read only once.
        """
        if reads_data_once:
            reason, remedy = "The data can be read only once", _OTHER_DATA
        else:
            reason = f"A test of fewer than {FEWEST_STEPS_WITH_PROBE} steps has no probe"
            remedy = "Use more steps, or pass both limits."
        if not self.probes or not (reads_data_once or self.steps < FEWEST_STEPS_WITH_PROBE):
            return self, ()
        made = self._with_limits(min(1e-7, self.max_lr / 10), max(10.0, self.min_lr * 10))
        limits = f"{format_lr(made.min_lr)} to {format_lr(made.max_lr)}"
        return made, (f"{reason}, so it ran from {limits}. {remedy}",)

    def _with_limits(self, min_lr: float, max_lr: float) -> "RangeTestConfig":
        """Return the settings with limits for the sides that were left to a probe."""
        return replace(
            self,
            min_lr=min_lr if self.probes_min else self.min_lr,
            max_lr=max_lr if self.probes_max else self.max_lr,
            probes_min=False,
            probes_max=False,
        )

    def _warn_of_skipped_decades(self) -> None:
        """Warn if a linear ladder between fixed limits skips whole decades."""
        fixed, _ = self.or_without_probe()
        if fixed.probes or not skips_decades(ladder := fixed.ladder()):
            return
        warnings.warn(words_for_skipped_decades(ladder), stacklevel=4)

    def _widest(self) -> tuple[float, float]:
        """Return the limits; a limit that a probe has to find is the widest possible."""
        return (
            LOWEST if self.probes_min else self.min_lr,
            HIGHEST if self.probes_max else self.max_lr,
        )


_OTHER_DATA = "Pass both limits, or data that start again, such as a generator function."


def _stop_factor(value: Any) -> float:
    """Return the factor as a float; infinity means that the test never stops."""
    hint = "4.0 is the default; None never stops the test."
    return (
        math.inf
        if value is None
        else as_number("stop_factor", value, above=0.0, finite=False, hint=hint)
    )
