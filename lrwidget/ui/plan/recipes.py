"""Recipes: the schedules that Apply can set, and how their numbers are filled in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lrwidget.core.curve.purpose import Target
from lrwidget.errors import ConfigError
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
    "decay_steps": Number(
        "Decay steps", kinds.COUNT, "Training steps of the decay, or between two drops"
    ),
    "decay_rate": Number(
        "Decay rate", kinds.GAMMA, "The learning rate is multiplied by this in the decay steps"
    ),
    "alpha": Number(
        "Last LR / pick", kinds.SHARE, "The learning rate at the end, as a fraction of the pick"
    ),
    "first_drop": Number("First drop (step)", kinds.COUNT, "The last step at the picked rate"),
    "second_drop": Number("Second drop (step)", kinds.COUNT, "The last step before the lowest"),
    "drop_factor": Number(
        "Drop factor", kinds.GAMMA, "The learning rate is multiplied by this at each drop"
    ),
    "start_lr": Number("First LR", kinds.ZERO_OR_LR, "The learning rate of the first step"),
    "end_lr": Number("Last LR", kinds.ZERO_OR_LR, "The learning rate at the end"),
}


@dataclass(frozen=True)
class Recipe:
    """A way to train with the picked learning rate.

    Args:
        schedule: Name of the class of the schedule; empty for the pick itself.
        home: The module that has the class.
        upper: Its argument for the pick.
        lower: Its argument for the lower learning rate; empty if it has none.
        fill: Returns the numbers that depend on the length, from (epochs, total training steps).
        fixed: The other numbers, with their defaults.
        build: Returns the arguments of the class from (pick, numbers), where they are not just
            the pick, the lower learning rate and the numbers.
        target: The kind of training for which the rules make suggestions.
    """

    schedule: str = ""
    home: str = "lrwidget.schedules"
    upper: str = ""
    lower: str = ""
    fill: Callable[[int, int], Numbers] = lambda _epochs, _total: {}
    fixed: Numbers = field(default_factory=dict)
    build: Callable[[float, Numbers], dict[str, Any]] | None = None
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


def _in_steps(pick: float, numbers: Numbers) -> dict[str, Any]:
    """Return the arguments of a decay that stays at each value for a while."""
    return {"initial_learning_rate": pick, **numbers, "staircase": True}


def _in_pieces(pick: float, numbers: Numbers) -> dict[str, Any]:
    """Return the arguments of a piecewise constant learning rate with two drops."""
    first, second, factor = (numbers[each] for each in ("first_drop", "second_drop", "drop_factor"))
    if second <= first:
        raise ConfigError(
            f"The second drop must come after the first; got step {first} for the first and step "
            f"{second} for the second."
        )
    values = [float(f"{pick * factor**drops:.12g}") for drops in (1, 2)]
    return {"boundaries": [first, second], "values": [pick, *values]}


def _cyclical(schedule: str, fill: Callable[[int, int], Numbers]) -> Recipe:
    return Recipe(schedule, upper="maximal_learning_rate", lower="initial_learning_rate", fill=fill)


_OF_KERAS = "keras.optimizers.schedules"

RECIPES = {
    "constant": Recipe(),
    "step": Recipe(
        "ExponentialDecay",
        _OF_KERAS,
        fill=lambda _epochs, total: {"decay_steps": -(-total // 3)},
        fixed={"decay_rate": 0.1},
        build=_in_steps,
    ),
    "exponential decay": Recipe(
        "ExponentialDecay",
        _OF_KERAS,
        upper="initial_learning_rate",
        fill=lambda _epochs, total: {"decay_steps": total},
        fixed={"decay_rate": 0.01},
    ),
    "cosine": Recipe(
        "CosineDecay",
        _OF_KERAS,
        upper="initial_learning_rate",
        fill=lambda _epochs, total: {"decay_steps": total},
        fixed={"alpha": 0.0},
    ),
    "piecewise": Recipe(
        "PiecewiseConstantDecay",
        _OF_KERAS,
        fill=lambda _epochs, total: {
            "first_drop": max(1, total // 2),
            "second_drop": max(2, 3 * total // 4),
        },
        fixed={"drop_factor": 0.1},
        build=_in_pieces,
    ),
    "triangular": _cyclical("TriangularCyclicalLearningRate", _half_a_cycle),
    "triangular2": _cyclical("Triangular2CyclicalLearningRate", _half_a_cycle),
    "cyclical, shrinking": _cyclical("ExponentialCyclicalLearningRate", _shrinking),
    "one-cycle": Recipe(
        "OneCycle",
        upper="max_lr",
        fill=lambda _epochs, total: {"total_steps": total},
        fixed={"warmup_fraction": 0.25, "start_divisor": 25.0, "end_divisor": 1e5},
        target="one_cycle",
    ),
    "warm-up + hold + cosine": Recipe(
        "WarmupHoldCosine", upper="peak_lr", fill=_warm_up, fixed={"start_lr": 0.0, "end_lr": 0.0}
    ),
}
