"""Purpose: what a suggested learning rate is for, as far as "auto" uses it."""

from dataclasses import dataclass
from typing import Literal, get_args

from lrwidget.core.checks import as_choice, as_count

Target = Literal["constant", "one_cycle"]
OptimizerKind = Literal["sgd", "momentum", "rmsprop", "other"]

# A one-cycle schedule soon leaves its peak again.
_FOR_TARGET: dict[Target, float] = {"constant": 1.0, "one_cycle": 2.0}
# What docs/regret.md was tuned to: SGD alone trains best close to where it falls apart, with
# momentum well below that, and RMSprop alone in between.
_FOR_OPTIMIZER: dict[OptimizerKind, float] = {
    "sgd": 2.5,
    "momentum": 0.6,
    "rmsprop": 2.0,
    "other": 1.0,
}
# Training steps that "auto" was tuned for, and how fast the best rate shrinks with more of them.
_TUNED_STEPS = 250
_SHRINKS = 0.5


@dataclass(frozen=True)
class Purpose:
    """What a learning rate is to be used for.

    Args:
        target: Whether it stays as it is, "constant", or is the peak of a "one_cycle".
        optimizer: What takes the steps: "sgd" and "rmsprop" without momentum, SGD with
            "momentum", or an "other" one such as Adam.
        train_steps: How many steps the training will take, > 0; None if unknown.

    Raises:
        ConfigError: A target or an optimizer of another name, or no number of steps.
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
        """How many times the learning rate that "auto" reads off a curve to use.

        It is one number for the target times one for the optimizer. For a training of more than
        250 steps it is also multiplied by (train_steps / 250)^-0.5.

        Source: this package; tuned on the same tasks as the rule, see docs/regret.md.
        """
        factor = _FOR_TARGET[self.target] * _FOR_OPTIMIZER[self.optimizer]
        steps = max(self.train_steps or _TUNED_STEPS, _TUNED_STEPS)
        return float(factor * (steps / _TUNED_STEPS) ** -_SHRINKS)
