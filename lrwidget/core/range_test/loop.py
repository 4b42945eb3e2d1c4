"""range_test_loop: the range test of a custom training loop, which needs numpy only."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lrwidget.core.checks import as_any_float, as_function, check_listeners
from lrwidget.core.curve.ladder import Mode
from lrwidget.core.curve.purpose import OptimizerKind, Purpose
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.model.interrupts import UninterruptedExit
from lrwidget.core.model.restored import Restored
from lrwidget.core.range_test.growing_curve import (
    SweepCurve,
    Update,
    curves_of,
    result_of,
)
from lrwidget.core.range_test.loop_state import LoopState
from lrwidget.core.range_test.result import RangeTestResult
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError

_SECONDS_BETWEEN_UPDATES = 0.1

_STEP_HINT = "Return the loss of the batch, such as float(loss)."

NOT_RESTORED = (
    "After `set_state`, `get_state` returned another state than before the test, so the trained "
    "state was not restored. Make the two functions read and set everything that a step changes."
)


def range_test_loop(
    step: Callable[[float], Any],
    *,
    min_lr: float | None,
    max_lr: float | None,
    steps: int = 100,
    mode: Mode = "exponential",
    stop_factor: float | None = 4.0,
    sweeps: int = 1,
    get_state: Callable[[], Any] | None = None,
    set_state: Callable[[Any], object] | None = None,
    optimizer: OptimizerKind = "other",
    on_update: Callable[[Update], object] | None = None,
    stop: StopFlag | None = None,
) -> RangeTestResult:
    """Run the range test in your own training loop, with any library.

    With `get_state` and `set_state`, the state is restored however the test ends, also after
    an error or a keyboard interrupt. Without them, the loop keeps the state after the test.

    >>> weight = np.array([4.0])
    >>> def step(lr):
    ...     loss = float(weight[0] ** 2)
    ...     weight[0] -= lr * 2 * weight[0]
    ...     return loss
    >>> result = range_test_loop(
    ...     step,
    ...     min_lr=1e-4,
    ...     max_lr=10.0,
    ...     optimizer="sgd",
    ...     get_state=lambda: weight,
    ...     set_state=lambda state: np.copyto(weight, state),
    ... )
    >>> result.stop_reason, bool(result.restored), weight
    ('diverged', True, array([4.]))

    Args:
        step: A function that takes the learning rate as a float, makes one training step on the
            next batch, and returns the loss of that batch before the update as a number.
        min_lr: First learning rate, > 0; None leaves it to a probe, the first 30 of the steps,
            which needs both state functions. With fewer than 60 steps there is no probe: the range
            is 1e-7 to 10, and a note in the result says so.
        max_lr: Last learning rate, > min_lr; None leaves it to the probe.
        steps: Training steps in a sweep, from 2 to 1,000,000: one for each learning rate, and 30
            for a probe.
        mode: "exponential" for equal ratios, "linear" for equal differences.
        stop_factor: Stop when the loss has risen above its best by this many thirds of its
            fall, and clearly more than it jumps between batches; None never stops.
        sweeps: Passes over the learning rates, each from the same start; more than one needs both
            state functions.
        get_state: A function that returns everything that a step changes, such as weights and the
            optimizer's slots: arrays, numbers and strings, alone or in dictionaries, lists and
            tuples. They are copied, so the function may return the trained arrays themselves.
        set_state: A function that takes a copy of what `get_state` returned and restores it.
        optimizer: The optimizer of the loop: "sgd" or "rmsprop" without momentum, "momentum" for
            SGD with momentum, or "other" for any other one, such as Adam.
        on_update: Called about ten times a second and at the end of a sweep, in this thread, with
            an `Update`.
        stop: An object such as a `threading.Event`, checked before every step. Once it is set, the
            test ends as "stopped".

    Returns:
        The result. Its `restored` is true if the state was restored, and None without the state
        functions.

    Raises:
        ConfigError: An argument cannot be used, and nothing has been trained; or `step` did not
            return a number, and the state is restored.
        Exception: Any error of one of the functions, raised after the state is restored.

    Source: Leslie N. Smith, arXiv:1506.01186, section 3.3.
    """
    kind = Purpose(optimizer=optimizer).optimizer
    config = RangeTestConfig.of(
        min_lr, max_lr, steps=steps, mode=mode, stop_factor=stop_factor, sweeps=sweeps
    )
    config, notes = config.or_without_probe()
    loop = _Loop(step, on_update, stop, _state_of(config, get_state, set_state))
    with UninterruptedExit() as stack:
        stack.callback(loop.restore)
        curves = curves_of(config, loop.run_probe, loop.run_sweep)
    restored = loop.restored()
    result = result_of(curves, restored, kind)
    is_changed = restored is not None and not restored
    return replace(result, notes=(*notes, *([NOT_RESTORED] if is_changed else [])))


class _Loop:
    """The user's loop: runs sweeps, each from the same start if the state can be restored."""

    def __init__(
        self,
        step: Callable[[float], Any],
        on_update: Callable[[Update], object] | None,
        stop: StopFlag | None,
        state: LoopState | None,
    ) -> None:
        self._step = as_function("step", step, "of a learning rate that returns the loss", 1)
        self._on_update = on_update
        check_listeners(on_update, stop)
        self._stop = stop
        self._state = state
        self._is_at_start = True

    def restore(self) -> None:
        """Restore the state at the start, if that is possible."""
        if self._state is not None:
            self._state.restore()
        self._is_at_start = True

    def restored(self) -> Restored | None:
        """Return fingerprints of the state at the start and now; None without state functions."""
        return None if self._state is None else self._state.restored()

    def run_probe(self, curve: SweepCurve) -> SweepCurve:
        """Train from the start until the curve is complete, and return it."""
        return self._run(curve, lambda _update: None)

    def run_sweep(self, curve: SweepCurve) -> SweepCurve:
        """Train from the start until the curve is complete, report progress, and return it."""
        return self._run(curve, self._on_update or (lambda _update: None))

    def _run(self, curve: SweepCurve, on_update: Callable[[Update], object]) -> SweepCurve:
        if not self._is_at_start:
            self.restore()
        self._is_at_start = False
        due = time.monotonic() + _SECONDS_BETWEEN_UPDATES
        while not curve.ended_by(self._stop):
            loss = as_any_float("step(lr)", self._step(float(curve.lrs_to_come[0])), _STEP_HINT)
            curve.add({curve.config.monitor: np.array([loss])})
            if curve.stop_reason is not None or time.monotonic() >= due:
                on_update(curve.update())
                due = time.monotonic() + _SECONDS_BETWEEN_UPDATES
        return curve


def _state_of(
    config: RangeTestConfig,
    get_state: Callable[[], Any] | None,
    set_state: Callable[[Any], object] | None,
) -> LoopState | None:
    """Return the state at the start; None if there are no functions to read and set it."""
    if get_state is not None and set_state is not None:
        return LoopState(get_state, set_state)
    if get_state is not None or set_state is not None:
        given, missing = "get_state", "set_state"
        if get_state is None:
            given, missing = missing, given
        raise ConfigError(
            f"`get_state` and `set_state` restore the loop together; got only {given}. Pass "
            f"{missing} as well, or neither."
        )
    for wanted, what in ((config.probes, "a probe"), (config.sweeps > 1, "several sweeps")):
        if wanted:
            raise ConfigError(
                f"`get_state` and `set_state` are needed for {what}, since each pass begins at "
                f"the same start; got sweeps={config.sweeps} and neither function. Pass both, or "
                "fixed `min_lr` and `max_lr` and sweeps=1."
            )
    return None
