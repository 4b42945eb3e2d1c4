"""Recipes: the schedules that Apply can set, and how their numbers are filled in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lrwidget.core.curve.purpose import Target
from lrwidget.ui.words import kinds

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Number:
    """One number of a schedule that a person can change.

    Args:
        label: The description of its field.
        kind: How it is parsed and written.
        hint: The field's tooltip.
    """

    label: str
    kind: kinds.Kind
    hint: str


NUMBERS = {
    "step_size": Number(
        "Half cycle (steps)", kinds.LENGTH, "Training steps from the lower to the upper end"
    ),
    "gamma": Number(
        "Gamma", kinds.GAMMA, "The height of the cycles is multiplied by this at every step"
    ),
    "total_steps": Number("Total steps", kinds.COUNT, "Training steps until the end of the cycle"),
    "warmup_fraction": Number(
        "Warm-up fraction", kinds.PART, "Fraction of the cycle before the peak"
    ),
    "start_divisor": Number(
        "Start LR = peak /", kinds.DIVISOR, "The first learning rate is the peak divided by this"
    ),
    "end_divisor": Number(
        "End LR = peak /", kinds.DIVISOR, "The last learning rate is the peak divided by this"
    ),
    "warmup_steps": Number("Warm-up steps", kinds.WHOLE, "Training steps until the peak"),
    "hold_steps": Number("Hold steps", kinds.WHOLE, "Training steps at the peak"),
    "decay_steps": Number("Decay steps", kinds.COUNT, "Training steps from the peak to the end"),
    "start_lr": Number("First LR", kinds.ZERO_OR_LR, "The learning rate of the first step"),
    "end_lr": Number("Last LR", kinds.ZERO_OR_LR, "The learning rate at the end"),
}


@dataclass(frozen=True)
class Recipe:
    """A way to train with the picked learning rate.

    Args:
        schedule: Name of a class in `lrwidget.schedules`; empty for the pick itself.
        upper: Its argument for the pick.
        lower: Its argument for the lower learning rate; empty if it has none.
        fill: Returns the numbers that depend on the length, from (epochs, total training steps).
        fixed: The other numbers, with their defaults.
        target: The kind of training for which the rules make suggestions.
    """

    schedule: str = ""
    upper: str = ""
    lower: str = ""
    fill: Callable[[int, int], Numbers] = lambda _epochs, _total: {}
    fixed: Numbers = field(default_factory=dict)
    target: Target = "constant"

    @property
    def of_length(self) -> set[str]:
        """The numbers that depend on the length of the training."""
        return set(self.fill(1, 1))

    @property
    def numbers(self) -> set[str]:
        """All numbers of the schedule besides the picks."""
        return self.of_length | set(self.fixed)


def _half_a_cycle(epochs: int, total: int) -> Numbers:
    """Return cycles of about four epochs that end together with the training.

    Smith, arXiv:1506.01186, advises 2 to 10 epochs for half a cycle and an end at its foot.
    """
    half = round(total / (2 * max(1, round(epochs / 4))), 2)
    return {"step_size": int(half) if half.is_integer() else half}


def _shrinking(epochs: int, total: int) -> Numbers:
    """Return cycles whose height shrinks to a tenth at the end."""
    shrinkage = float(f"{1 - 0.1 ** (1 / total):.3g}")  # per step
    return {**_half_a_cycle(epochs, total), "gamma": round(1 - shrinkage, 12)}


def _warm_up(_epochs: int, total: int) -> Numbers:
    """Return a tenth of the steps for the warm-up, four tenths to hold, the rest for the decay."""
    warmup, hold = total // 10, 4 * total // 10
    return {
        "warmup_steps": warmup,
        "hold_steps": hold,
        "decay_steps": max(1, total - warmup - hold),
    }


_CYCLE_ENDS = ("maximal_learning_rate", "initial_learning_rate")

RECIPES = {
    "constant": Recipe(),
    "triangular": Recipe("TriangularCyclicalLearningRate", *_CYCLE_ENDS, _half_a_cycle),
    "triangular2": Recipe("Triangular2CyclicalLearningRate", *_CYCLE_ENDS, _half_a_cycle),
    "exponential": Recipe("ExponentialCyclicalLearningRate", *_CYCLE_ENDS, _shrinking),
    "one-cycle": Recipe(
        "OneCycle",
        "max_lr",
        fill=lambda _epochs, total: {"total_steps": total},
        fixed={"warmup_fraction": 0.25, "start_divisor": 25.0, "end_divisor": 1e5},
        target="one_cycle",
    ),
    "warm-up + hold + cosine": Recipe(
        "WarmupHoldCosine", "peak_lr", fill=_warm_up, fixed={"start_lr": 0.0, "end_lr": 0.0}
    ),
}
