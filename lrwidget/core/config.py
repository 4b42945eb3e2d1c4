"""RangeTestConfig: the settings of one range test, validated as a whole."""

from dataclasses import dataclass

from lrwidget.core.ladder import FloatArray, Mode, lr_ladder
from lrwidget.errors import ConfigError


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

    def __post_init__(self) -> None:
        self.ladder()
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


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"`{name}` must be a whole number of at least 1; got {value!r}.")
