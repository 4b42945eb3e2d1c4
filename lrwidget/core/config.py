"""RangeTestConfig: the settings of one range test, validated as a whole."""

from dataclasses import dataclass, replace
from typing import Any

from lrwidget.core.ladder import FloatArray, Mode, lr_ladder
from lrwidget.errors import ConfigError

PROBE_STEPS = 30
"""Training steps of a probe: three for each decade of the widest range."""

LOWEST, HIGHEST = 1e-8, 100.0
"""How far a probe looks on a side that is left to it."""


@dataclass(frozen=True, kw_only=True)
class RangeTestConfig:
    """The settings of one range test.

    Args:
        min_lr: First learning rate, > 0.
        max_lr: Last learning rate, > min_lr.
        steps: Learning rates tried, one optimizer update each, >= 2.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        batch_size: Samples in a batch, for data that comes as arrays.
        stop_factor: The test stops when the loss has risen above its best by this many
            thirds of its fall, > 0; `math.inf` never stops it.
        sweeps: Passes over the ladder, each from the same start with other data order, >= 1.
        seed: Order of the data, for arrays and for pipelines that shuffle; None draws one.
        monitor: Which of the values that the model's training step reports is the loss.
        probes_min: Whether a probe is to find min_lr; what it is here does not matter then.
        probes_max: The same for max_lr.

    Raises:
        ConfigError: A value that cannot be used.
    """

    min_lr: float = 1e-7
    max_lr: float = 10.0
    steps: int = 100
    mode: Mode = "exponential"
    batch_size: int = 32
    stop_factor: float = 4.0
    sweeps: int = 1
    seed: int | None = None
    monitor: str = "loss"
    probes_min: bool = False
    probes_max: bool = False

    @classmethod
    def of(cls, min_lr: float | None, max_lr: float | None, **settings: Any) -> "RangeTestConfig":
        """Return the settings with a limit that is None left to a probe."""
        return cls(
            min_lr=LOWEST if min_lr is None else min_lr,
            max_lr=HIGHEST if max_lr is None else max_lr,
            probes_min=min_lr is None,
            probes_max=max_lr is None,
            **settings,
        )

    def __post_init__(self) -> None:
        lr_ladder(*self._widest(), self.steps, self.mode)
        for name in ("batch_size", "sweeps"):
            _check_count(name, getattr(self, name))
        if not self.stop_factor > 0:
            raise ConfigError(
                f"`stop_factor` must be above 0; got {self.stop_factor!r}. "
                "4.0 is the default, math.inf never stops the test."
            )

    def ladder(self) -> FloatArray:
        """Return the learning rates of the test, shape (steps,)."""
        return lr_ladder(self.min_lr, self.max_lr, self.steps, self.mode)

    @property
    def probes(self) -> bool:
        """Whether a probe is to find a limit before the test."""
        return self.probes_min or self.probes_max

    def of_probe(self) -> "RangeTestConfig":
        """Return the settings of the probe: few steps over all that it may find."""
        low, high = self._widest()
        one_sweep = replace(self, mode="exponential", steps=PROBE_STEPS, sweeps=1)
        return one_sweep.with_found(low, high)

    def with_found(self, min_lr: float, max_lr: float) -> "RangeTestConfig":
        """Return the settings with what a probe has found, on the sides left to it."""
        return replace(
            self,
            min_lr=min_lr if self.probes_min else self.min_lr,
            max_lr=max_lr if self.probes_max else self.max_lr,
            probes_min=False,
            probes_max=False,
        )

    def _widest(self) -> tuple[float, float]:
        """Return the limits, the widest on a side that is left to a probe."""
        return (
            LOWEST if self.probes_min else self.min_lr,
            HIGHEST if self.probes_max else self.max_lr,
        )


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"`{name}` must be a whole number of at least 1; got {value!r}.")
