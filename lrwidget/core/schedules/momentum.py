"""OneCycleMomentum: a callback that moves the momentum against a one-cycle learning rate."""

import weakref
from dataclasses import dataclass
from typing import Any

import keras

from lrwidget.core.checks import check_order
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.learning_rate import holder_of, optimizer_of
from lrwidget.core.model.train_step import (
    AttributeOverride,
    RunningFit,
    StepExtension,
    add_to_step,
    remove_from_step,
)
from lrwidget.core.model.values import float_type
from lrwidget.core.schedules.one_cycle import (
    Anneal,
    OneCycle,
    Steps,
    Tensor,
    as_anneal,
    as_fraction,
    as_length,
    blend,
    one_cycle,
)
from lrwidget.errors import ConfigError, ModelError


class OneCycleMomentum(keras.callbacks.Callback):
    """Moves the momentum down while a OneCycle learning rate rises, and up while it falls.

    With p = step / total_steps, w = `warmup_fraction` and the blend a(t) of `anneal`,
    (1 - cos(pi t)) / 2 for "cosine" and t for "linear", the momentum is

    - p <= w: max_momentum - (max_momentum - min_momentum) a(p / w);
    - w <= p <= 1: max_momentum - (max_momentum - min_momentum) a((1 - p) / (1 - w));
    - 1 <= p: max_momentum.

    It moves `momentum` of SGD, RMSprop and other optimizers that have it, or `beta_1` of Adam and
    its variants. The step is the optimizer's own count, as for a schedule, so a second `fit`
    continues where the first one stopped. The momentum is calculated inside the compiled step. The
    optimizer's attribute does not change, so its value applies again when `fit` ends or is
    interrupted.

    >>> schedule = OneCycle(max_lr=0.1, total_steps=100)
    >>> callback = OneCycleMomentum.against(schedule)
    >>> [f"{float(callback.momentum(step)):.2f}" for step in (0, 25, 100, 200)]
    ['0.95', '0.85', '0.95', '0.95']

    Args:
        total_steps: Length of the cycle in batches, >= 1.
        warmup_fraction: The fraction of the cycle until the lowest momentum, between 0 and 1, both
            excluded.
        max_momentum: The momentum at both ends and after the cycle, below 1.
        min_momentum: The lowest momentum, > 0, not above `max_momentum`.
        anneal: "cosine" or "linear".

    Raises:
        ConfigError: A value cannot be used.
        ModelError: Raised when `fit` begins: the optimizer has no momentum to move.

    Source: Smith, arXiv:1803.09820; for Adam's beta_1, fastai.
    """

    def __init__(
        self,
        total_steps: int,
        warmup_fraction: float = 0.25,
        max_momentum: float = 0.95,
        min_momentum: float = 0.85,
        anneal: Anneal = "cosine",
    ) -> None:
        super().__init__()
        self._curve = _Curve(
            as_length("total_steps", total_steps, at_least=1),
            as_fraction("warmup_fraction", warmup_fraction),
            as_fraction("max_momentum", max_momentum),
            as_fraction("min_momentum", min_momentum),
            as_anneal(anneal),
        )
        check_order(
            "min_momentum", self._curve.min_momentum, "max_momentum", self._curve.max_momentum
        )
        self._addition: _MovedMomentum | None = None
        self._fit = RunningFit()

    @classmethod
    def against(
        cls, schedule: OneCycle, max_momentum: float = 0.95, min_momentum: float = 0.85
    ) -> "OneCycleMomentum":
        """Return the callback with the length, the peak and the form of a schedule."""
        if not isinstance(schedule, OneCycle):
            raise ConfigError(f"`schedule` must be a OneCycle; got {schedule!r}.")
        return cls(
            schedule.total_steps,
            schedule.warmup_fraction,
            max_momentum,
            min_momentum,
            schedule.anneal,
        )

    def momentum(self, step: Steps) -> Tensor:
        """Return the momentum of a step, or of each step of an array, in its shape."""
        return self._curve(step)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Extend the steps of this `fit`, so that they set their momentum."""
        optimizer = holder_of(optimizer_of(self.model))
        self._addition = _MovedMomentum(optimizer, _momentum_name(optimizer), self._curve)
        self._fit = add_to_step(self.model, self._addition)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Announce the next step, so that it sets its momentum."""
        self._fit.expect_step()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remove the extension: later steps train with the optimizer's own momentum."""
        if self._addition is not None:
            remove_from_step(self.model, self._addition)


@dataclass(frozen=True)
class _Curve:
    """The momentum as a function of the step."""

    total_steps: int
    warmup_fraction: float
    max_momentum: float
    min_momentum: float
    anneal: Anneal

    def __call__(self, step: Steps) -> Tensor:
        _, height = one_cycle(step, self.total_steps, self.warmup_fraction, self.anneal)
        return blend(self.max_momentum, self.min_momentum, height)


@dataclass(frozen=True)
class _MovedMomentum(StepExtension):
    """Gives the updates of a `fit` the momentum of a curve."""

    optimizer: keras.optimizers.Optimizer
    name: str
    curve: _Curve

    def overrides(self) -> list[AttributeOverride]:
        """Return overrides that set the momentum before each update of the optimizer."""
        optimizer, own_apply = self.optimizer, self.optimizer.apply
        # Optimizers on PyTorch accept floats only, and their steps are not compiled.
        as_float = keras.backend.backend() == "torch"
        momentum = None if as_float else _momentum_of(optimizer)

        def apply(*args: Any, **kwargs: Any) -> Any:
            # Not `iterations`: a schedule counts batches, also where gradients are accumulated.
            now = self.curve(iterations_of(optimizer))
            if momentum is None:
                vars(optimizer)[self.name] = float(now)
            else:
                momentum.assign(now)
            return own_apply(*args, **kwargs)

        return [
            AttributeOverride(optimizer, self.name, momentum),
            AttributeOverride(optimizer, "apply", apply),
        ]


class _Momentum(keras.Variable):
    """A momentum that moves in a compiled step.

    Keras tests in Python whether the momentum is zero; a plain variable has no truth value while
    a step is traced.
    """

    __hash__ = keras.Variable.__hash__

    def __init__(self) -> None:
        super().__init__(
            0.0,
            name="momentum",
            dtype=float_type(),
            trainable=False,
            aggregation="only_first_replica",
        )

    def __ne__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True


_momenta: weakref.WeakKeyDictionary[keras.optimizers.Optimizer, _Momentum] = (
    weakref.WeakKeyDictionary()
)


def _momentum_of(optimizer: keras.optimizers.Optimizer) -> _Momentum:
    """Return the variable that the compiled steps of an optimizer read."""
    if optimizer not in _momenta:
        _momenta[optimizer] = _Momentum()
    return _momenta[optimizer]


def _momentum_name(optimizer: keras.optimizers.Optimizer) -> str:
    """Return the attribute that is an optimizer's momentum."""
    kind = type(optimizer).__name__
    for name in ("momentum", "beta_1"):
        if not hasattr(optimizer, name):
            continue
        if not getattr(optimizer, name) > 0:
            raise ModelError(
                f"{kind} was made with {name}={getattr(optimizer, name)}, so it has no momentum "
                f"to move. Create it with {name}=0.9, for example."
            )
        return name
    raise ModelError(
        f"{kind} has neither `momentum` nor `beta_1`. Use SGD with momentum, RMSprop with "
        "momentum, or Adam or one of its variants."
    )
