"""OneCycle, WarmupHoldCosine, WarmupStableDecay and LinearDecay: rates that rise once, then fall.

This file also has the arithmetic of all schedules: steps are counted in integers, and only the
distance to a corner of the curve is a float. So step 1,000,000 is as exact in float32 as step 10.
A model saved with one of these schedules loads after `import lrwidget.schedules`.
"""

import math
from typing import Any, Literal, get_args

import keras
from keras import ops

from lrwidget.core.arrays import as_step_array
from lrwidget.core.checks import as_choice, as_count, as_number, as_rate, check_order
from lrwidget.core.model.values import float_type

Anneal = Literal["cosine", "linear"]
Decay = Literal["linear", "1-sqrt"]
Steps = Any  # a step or an array of them: Python numbers, numpy, a tensor or a keras.Variable
Tensor = Any  # a tensor of the backend

registered = keras.saving.register_keras_serializable(package="lrwidget")


@registered
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One cycle: the learning rate rises to `max_lr`, then falls to nearly zero.

    With p = step / total_steps, w = `warmup_fraction` and the blend a(t) of `anneal`,
    (1 - cos(pi t)) / 2 for "cosine" and t for "linear", the learning rate is

    - p <= w: start + (max_lr - start) a(p / w), with start = max_lr / start_divisor;
    - w <= p <= 1: end + (max_lr - end) a((1 - p) / (1 - w)), with end = max_lr / end_divisor;
    - 1 <= p: end.

    >>> schedule = OneCycle(max_lr=0.1, total_steps=100)
    >>> [f"{float(schedule(step)):.3g}" for step in (0, 25, 100, 200)]
    ['0.004', '0.1', '1e-06', '1e-06']

    Args:
        max_lr: The peak, > 0, such as the learning rate picked after a range test.
        total_steps: Length of the cycle in batches, >= 1: epochs * batches per epoch.
        warmup_fraction: The fraction of the cycle until the peak, between 0 and 1, both excluded.
        start_divisor: `max_lr` / first learning rate, >= 1.
        end_divisor: `max_lr` / last learning rate, >= 1.
        anneal: "cosine" or "linear", the form of both slopes.

    Raises:
        ConfigError: A value that cannot be used.

    Source: Smith and Topin, arXiv:1708.07120; the cosine form is that of fastai.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int,
        warmup_fraction: float = 0.25,
        start_divisor: float = 25.0,
        end_divisor: float = 1e5,
        anneal: Anneal = "cosine",
    ) -> None:
        self.max_lr = as_rate("max_lr", max_lr)
        self.total_steps = as_length("total_steps", total_steps, at_least=1)
        self.warmup_fraction = as_fraction("warmup_fraction", warmup_fraction)
        self.start_divisor = as_number("start_divisor", start_divisor, at_least=1.0)
        self.end_divisor = as_number("end_divisor", end_divisor, at_least=1.0)
        self.anneal = as_anneal(anneal)

    def __call__(self, step: Steps) -> Tensor:
        """Return the learning rate of a step, or of each step of an array, in its shape."""
        rising, height = one_cycle(step, self.total_steps, self.warmup_fraction, self.anneal)
        start, end = self.max_lr / self.start_divisor, self.max_lr / self.end_divisor
        return ops.where(rising, blend(start, self.max_lr, height), blend(end, self.max_lr, height))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return {
            "max_lr": self.max_lr,
            "total_steps": self.total_steps,
            "warmup_fraction": self.warmup_fraction,
            "start_divisor": self.start_divisor,
            "end_divisor": self.end_divisor,
            "anneal": self.anneal,
        }


@registered
class WarmupHoldCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to `peak_lr`, a constant stretch, and a fall along half a cosine.

    With W = `warmup_steps`, H = `hold_steps` and D = `decay_steps`, the learning rate is

    - step <= W: start_lr + (peak_lr - start_lr) step / W;
    - W <= step <= W + H: peak_lr;
    - W + H <= step <= W + H + D: end_lr + (peak_lr - end_lr) (1 + cos(pi t)) / 2 with
      t = (step - W - H) / D;
    - later: end_lr.

    >>> schedule = WarmupHoldCosine(0.2, warmup_steps=10, hold_steps=20, decay_steps=40)
    >>> [f"{float(schedule(step)):.2f}" for step in (0, 5, 10, 30, 50, 70, 99)]
    ['0.00', '0.10', '0.20', '0.20', '0.10', '0.00', '0.00']

    Args:
        peak_lr: The highest learning rate, > 0.
        warmup_steps: Batches of the rise, >= 0.
        hold_steps: Batches at the peak, >= 0.
        decay_steps: Batches of the fall, >= 1.
        start_lr: The learning rate at step 0, from 0 to `peak_lr`.
        end_lr: The learning rate at the end and afterwards, from 0 to `peak_lr`.

    Raises:
        ConfigError: A value that cannot be used.

    Source: the fall is that of Loshchilov and Hutter, arXiv:1608.03983, without restarts; the
        rise that of Goyal et al., arXiv:1706.02677.
    """

    def __init__(
        self,
        peak_lr: float,
        warmup_steps: int,
        hold_steps: int,
        decay_steps: int,
        start_lr: float = 0.0,
        end_lr: float = 0.0,
    ) -> None:
        self.peak_lr = as_rate("peak_lr", peak_lr)
        self.warmup_steps = as_length("warmup_steps", warmup_steps)
        self.hold_steps = as_length("hold_steps", hold_steps)
        self.decay_steps = as_length("decay_steps", decay_steps, at_least=1)
        self.start_lr = as_rate("start_lr", start_lr, or_zero=True)
        self.end_lr = as_rate("end_lr", end_lr, or_zero=True)
        as_length("warmup_steps + hold_steps + decay_steps", self.total_steps)
        check_order("start_lr", self.start_lr, "peak_lr", self.peak_lr)
        check_order("end_lr", self.end_lr, "peak_lr", self.peak_lr)

    @property
    def total_steps(self) -> int:
        """Number of steps until the learning rate is constantly `end_lr`."""
        return self.warmup_steps + self.hold_steps + self.decay_steps

    def __call__(self, step: Steps) -> Tensor:
        """Return the learning rate of a step, or of each step of an array, in its shape."""
        step = as_steps(step)
        risen = portion(step, max(self.warmup_steps, 1))
        left = portion(self.total_steps - step, self.decay_steps)
        return ops.where(
            step < self.warmup_steps,
            blend(self.start_lr, self.peak_lr, risen),
            blend(self.end_lr, self.peak_lr, annealed(left, "cosine")),
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return {
            "peak_lr": self.peak_lr,
            "warmup_steps": self.warmup_steps,
            "hold_steps": self.hold_steps,
            "decay_steps": self.decay_steps,
            "start_lr": self.start_lr,
            "end_lr": self.end_lr,
        }


@registered
class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to `peak_lr`, a long constant stretch, and a short fall.

    With W = `warmup_steps`, S = `stable_steps`, D = `decay_steps` and the fall f(t) of `decay`,
    1 - t for "linear" and 1 - sqrt(t) for "1-sqrt", the learning rate is

    - step <= W: start_lr + (peak_lr - start_lr) step / W;
    - W <= step <= W + S: peak_lr;
    - W + S <= step <= W + S + D: end_lr + (peak_lr - end_lr) f(t) with t = (step - W - S) / D;
    - later: end_lr.

    Until the fall begins, the rate does not depend on the length of the training. So a model that
    was saved there can be trained for longer, or finished by the fall, at any time.

    >>> schedule = WarmupStableDecay(0.2, warmup_steps=10, stable_steps=70, decay_steps=20)
    >>> [f"{float(schedule(step)):.2f}" for step in (0, 5, 10, 80, 90, 100, 101)]
    ['0.00', '0.10', '0.20', '0.20', '0.10', '0.00', '0.00']

    Args:
        peak_lr: The highest learning rate, > 0.
        warmup_steps: Batches of the rise, >= 0.
        stable_steps: Batches at the peak, >= 0. Without any, the shape is a triangle.
        decay_steps: Batches of the fall, >= 1; about a fifth of the training is common.
        start_lr: The learning rate at step 0, from 0 to `peak_lr`.
        end_lr: The learning rate at the end and afterwards, from 0 to `peak_lr`.
        decay: "linear" or "1-sqrt", the form of the fall.

    Raises:
        ConfigError: A value that cannot be used.

    Source: Hu et al., arXiv:2404.06395; the fall "1-sqrt" is that of Hägele et al.,
        arXiv:2405.18392.
    """

    def __init__(
        self,
        peak_lr: float,
        warmup_steps: int,
        stable_steps: int,
        decay_steps: int,
        start_lr: float = 0.0,
        end_lr: float = 0.0,
        decay: Decay = "linear",
    ) -> None:
        self.peak_lr = as_rate("peak_lr", peak_lr)
        self.warmup_steps = as_length("warmup_steps", warmup_steps)
        self.stable_steps = as_length("stable_steps", stable_steps)
        self.decay_steps = as_length("decay_steps", decay_steps, at_least=1)
        self.start_lr = as_rate("start_lr", start_lr, or_zero=True)
        self.end_lr = as_rate("end_lr", end_lr, or_zero=True)
        self.decay = as_choice("decay", decay, get_args(Decay))
        as_length("warmup_steps + stable_steps + decay_steps", self.total_steps)
        check_order("start_lr", self.start_lr, "peak_lr", self.peak_lr)
        check_order("end_lr", self.end_lr, "peak_lr", self.peak_lr)

    @property
    def total_steps(self) -> int:
        """Number of steps until the learning rate is constantly `end_lr`."""
        return self.warmup_steps + self.stable_steps + self.decay_steps

    def __call__(self, step: Steps) -> Tensor:
        """Return the learning rate of a step, or of each step of an array, in its shape."""
        step = as_steps(step)
        risen = portion(step, max(self.warmup_steps, 1))
        left = portion(self.total_steps - step, self.decay_steps)
        # (1 - t) / (1 + sqrt(t)) is 1 - sqrt(t), without subtracting two numbers near 1.
        fallen = portion(step - self.warmup_steps - self.stable_steps, self.decay_steps)
        height = left if self.decay == "linear" else left / (1.0 + ops.sqrt(fallen))
        return ops.where(
            step < self.warmup_steps,
            blend(self.start_lr, self.peak_lr, risen),
            blend(self.end_lr, self.peak_lr, height),
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return {
            "peak_lr": self.peak_lr,
            "warmup_steps": self.warmup_steps,
            "stable_steps": self.stable_steps,
            "decay_steps": self.decay_steps,
            "start_lr": self.start_lr,
            "end_lr": self.end_lr,
            "decay": self.decay,
        }


@registered
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A straight fall from `initial_lr` to zero.

    With D = `decay_steps`, the learning rate is

    - step <= D: initial_lr (D - step) / D;
    - later: 0.

    For a warm-up before the fall, use `WarmupStableDecay` with `stable_steps=0`.

    >>> schedule = LinearDecay(0.2, decay_steps=100)
    >>> [f"{float(schedule(step)):.2f}" for step in (0, 25, 50, 100, 101)]
    ['0.20', '0.15', '0.10', '0.00', '0.00']

    Args:
        initial_lr: The learning rate at step 0, > 0.
        decay_steps: Length of the fall in batches, >= 1: epochs * batches per epoch. A training
            of this length ends one step before zero, so that its last batch still counts.

    Raises:
        ConfigError: A value that cannot be used.

    Source: Bergsma et al., arXiv:2502.15938, compare it with other falls; Defazio et al.,
        arXiv:2310.07831, derive it.
    """

    def __init__(self, initial_lr: float, decay_steps: int) -> None:
        self.initial_lr = as_rate("initial_lr", initial_lr)
        self.decay_steps = as_length("decay_steps", decay_steps, at_least=1)

    @property
    def total_steps(self) -> int:
        """Number of steps until the learning rate is 0."""
        return self.decay_steps

    def __call__(self, step: Steps) -> Tensor:
        """Return the learning rate of a step, or of each step of an array, in its shape."""
        return self.initial_lr * portion(self.decay_steps - as_steps(step), self.decay_steps)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        return {"initial_lr": self.initial_lr, "decay_steps": self.decay_steps}


def one_cycle(
    step: Steps, total_steps: int, warmup_fraction: float, anneal: Anneal
) -> tuple[Tensor, Tensor]:
    """Return whether a step is in the rise of a cycle, and its height from 0 to 1."""
    step = as_steps(step)
    warmup = warmup_fraction * total_steps
    rising = ops.cast(step, float_type()) < warmup
    risen = portion(step, warmup)
    left = portion(total_steps - step, total_steps - warmup)
    return rising, annealed(ops.where(rising, risen, left), anneal)


def as_steps(step: Steps) -> Tensor:
    """Return steps as a tensor: integers in a type that holds every step, others as floats."""
    if not (ops.is_tensor(step) or isinstance(step, keras.Variable)):
        # Keras would convert Python floats to half precision if that is its default.
        array = as_step_array(step)
        return ops.convert_to_tensor(array, "int" if array.dtype.kind == "i" else float_type())
    step = ops.convert_to_tensor(step)
    whole = "int" in keras.backend.standardize_dtype(step.dtype)
    return ops.cast(step, "int" if whole else float_type())


def portion(steps: Tensor, of: float) -> Tensor:
    """Return steps / of as floats, clipped to 0 ... 1."""
    return ops.clip(ops.cast(steps, float_type()) / of, 0.0, 1.0)


def annealed(t: Tensor, anneal: Anneal) -> Tensor:
    """Return the height of a slope, 0 ... 1, at a fraction of its length, 0 ... 1.

    sin(pi t / 2)^2 equals (1 - cos(pi t)) / 2, but without subtracting two numbers near 1, which
    would leave few exact digits at the lower end of a slope.
    """
    return t if anneal == "linear" else ops.square(ops.sin(t * (math.pi / 2)))


def blend(low: float, high: float, height: Tensor) -> Tensor:
    """Return the value at a height: low at 0, high at 1, linear in between."""
    return low + (high - low) * height


def as_anneal(value: Any) -> Anneal:
    """Return the name of a slope's form, or raise ConfigError."""
    return as_choice("anneal", value, get_args(Anneal))  # type: ignore[return-value]


def as_fraction(name: str, value: Any) -> float:
    """Return a fraction between 0 and 1, both excluded."""
    hint = "It is a part of the whole, between 0 and 1, not a number of steps."
    return as_number(name, value, above=0.0, below=1.0, hint=hint)


def as_length(name: str, value: Any, *, at_least: int = 0) -> int:
    """Return a number of steps."""
    return as_count(name, value, at_least=at_least, hint="It counts training steps, in batches.")
