"""Purpose: how a suggested learning rate will be used, for "auto"."""

from dataclasses import dataclass
from typing import Literal, get_args

from lrwidget.core.checks import as_choice, as_count

Target = Literal["constant", "one_cycle"]
OptimizerKind = Literal["sgd", "momentum", "rmsprop", "other"]

# A one-cycle schedule stays at its peak only briefly.
_FOR_TARGET: dict[Target, float] = {"constant": 1.0, "one_cycle": 2.0}
# Tuned on docs/regret.md: plain SGD trains best close to where it diverges, SGD with momentum well
# below that, and plain RMSprop in between.
_FOR_OPTIMIZER: dict[OptimizerKind, float] = {
    "sgd": 2.5,
    "momentum": 0.6,
    "rmsprop": 2.0,
    "other": 1.0,
}
# The training steps that "auto" was tuned for, and how fast the best rate shrinks with more steps.
_TUNED_STEPS = 250
_SHRINKS = 0.5


@dataclass(frozen=True)
class Purpose:
    """How a learning rate will be used.

    Args:
        target: "constant" for a constant rate, "one_cycle" for the peak of a one-cycle schedule.
        optimizer: The optimizer: "sgd" and "rmsprop" without momentum, SGD with
            "momentum", or an "other" one such as Adam.
        train_steps: How many steps the training will take, > 0; None if unknown.

    Raises:
        ConfigError: The target or the optimizer is unknown, or `train_steps` is not a number.
    """

    target: Target = "constant"
    optimizer: OptimizerKind = "other"
    train_steps: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("target", Target), ("optimizer", OptimizerKind)):
            object.__setattr__(self, name, as_choice(name, getattr(self, name), get_args(known)))
        if self.train_steps is not None:
            steps = as_count("train_steps", self.train_steps, at_least=1)
            object.__setattr__(self, "train_steps", steps)

    @property
    def factor(self) -> float:
        """The factor for the learning rate that "auto" reads off a curve.

        It is the product of a factor for the target and one for the optimizer. For more than 250
        training steps it is also multiplied by (train_steps / 250)^-0.5.

        Source: this package; tuned on the same tasks as the rule, see docs/regret.md.
        """
        factor = _FOR_TARGET[self.target] * _FOR_OPTIMIZER[self.optimizer]
        steps = max(self.train_steps or _TUNED_STEPS, _TUNED_STEPS)
        return float(factor * (steps / _TUNED_STEPS) ** -_SHRINKS)
