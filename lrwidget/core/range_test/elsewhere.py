"""Converts losses that were measured elsewhere to the fields of a result."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrwidget.core.arrays import (
    FloatArray,
    as_losses,
    as_rates,
    as_sweeps,
    check_same_length,
)
from lrwidget.core.checks import array_of, as_rate
from lrwidget.core.curve.ladder import Mode
from lrwidget.core.curve.smoothing import finite_length
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.errors import ConfigError


def measured_elsewhere(
    lrs: Any, losses: Any, metrics: Mapping[str, Any], validation_losses: Any
) -> dict[str, Any]:
    """Return the fields of a result that has these losses; see `RangeTestResult.from_losses`.

    Raises:
        ConfigError: The arrays are not a valid curve, or do not match each other.
    """
    rates, sweeps = as_rates("lrs", lrs), _as_rows("losses", losses)
    check_same_length("lrs", rates, "losses", sweeps)
    if len(rates) < 2:
        raise ConfigError(f"`lrs` must have at least 2 learning rates; got {len(rates)}.")
    validation = np.full(sweeps.shape, np.nan)
    if validation_losses is not None:
        validation = _as_rows("validation_losses", validation_losses)
        if validation.shape != sweeps.shape:
            raise ConfigError(
                "`validation_losses` must have the shape of `losses`, "
                f"{np.shape(losses)}; got {np.shape(validation_losses)}."
            )
    n = min(finite_length(sweep) for sweep in sweeps)
    return {
        "lrs": rates[:n],
        "losses": np.median(sweeps[:, :n], axis=0),
        "sweep_losses": sweeps[:, :n],
        "metrics": {name: _cut("metrics", name, rates, each, n) for name, each in metrics.items()},
        "validation_losses": np.median(validation[:, :n], axis=0),
        "sweep_validation_losses": validation[:, :n],
        "stop_reason": "finished" if n == len(rates) else "non_finite",
        "non_finite_cause": None if n else "first_loss",
        "config": _config(rates, len(sweeps)),
    }


def _as_rows(name: str, values: Any) -> FloatArray:
    """Return losses, shape (n,) or (sweeps, n), as an array of shape (sweeps, n)."""
    given = array_of(values)
    is_deep = isinstance(values, list | tuple) and any(np.ndim(row) for row in values[:1])
    if is_deep or (given is not None and given.ndim > 1):
        return as_sweeps(name, values)
    return as_losses(name, values)[np.newaxis]


def _cut(name: str, key: Any, rates: FloatArray, values: Any, n: int) -> FloatArray:
    name = f"{name}[{key!r}]"
    array = as_losses(name, values)
    check_same_length("lrs", rates, name, array)
    return array[:n]


def _config(rates: FloatArray, sweeps: int) -> RangeTestConfig:
    """Return the settings of a test that comes closest to these learning rates."""
    return RangeTestConfig(
        min_lr=as_rate("lrs[0]", rates[0]),
        max_lr=as_rate("lrs[-1]", rates[-1]),
        steps=len(rates),
        mode=_mode(rates),
        sweeps=sweeps,
    )


def _mode(rates: FloatArray) -> Mode:
    even = len(rates) > 2 and np.allclose(np.diff(rates), (rates[-1] - rates[0]) / (len(rates) - 1))
    return "linear" if even else "exponential"
