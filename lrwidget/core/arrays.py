"""The checks of all arrays: each returns a new array of float64 or raises ConfigError."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrwidget.core.checks import (
    MAX_COUNT,
    MAX_STEPS,
    MAX_SWEEPS,
    array_of,
    is_real,
    plain_number,
    shown,
)
from lrwidget.errors import ConfigError

FloatArray = NDArray[np.float64]
Logs = dict[str, FloatArray]  # the values that some steps reported, by name, each of shape (steps,)


def as_losses(name: str, values: Any) -> FloatArray:
    """Return a new array of float64 with one dimension; NaN and infinity are allowed."""
    return _numbers(name, values, 1)


def as_finite_losses(name: str, values: Any) -> FloatArray:
    """Return a new array of float64 with one dimension, all finite."""
    return _all_finite(name, as_losses(name, values))


def as_sweeps(name: str, values: Any) -> FloatArray:
    """Return a new array of float64, shape (sweeps, n); NaN and infinity are allowed."""
    array = _numbers(name, values, 2)
    if not 1 <= len(array) <= MAX_SWEEPS:
        raise ConfigError(
            f"`{name}` must have 1 to {MAX_SWEEPS} rows, one for each sweep; got {len(array)}."
        )
    return array


def as_finite_sweeps(name: str, values: Any) -> FloatArray:
    """Return a new array of float64, shape (sweeps, n), all finite."""
    return _all_finite(name, as_sweeps(name, values))


def as_rates(name: str, values: Any) -> FloatArray:
    """Return a new array of learning rates, shape (n,): finite, above 0 and increasing."""
    rates = _all_finite(name, as_losses(name, values))
    if not (np.all(rates > 0) and np.all(np.diff(rates) > 0)):
        raise ConfigError(
            f"`{name}` must be finite, above 0 and increasing, as lr_ladder makes them; got "
            f"{shown(values)}. Sort the learning rates together with their losses."
        )
    return rates


def as_step_array(values: Any) -> NDArray[Any]:
    """Return step numbers as an array of the same shape: int64 if all are whole, else float64."""
    array = array_of(values)
    array = _array_of_list(values) if array is None else array
    array = np.asarray(plain_number(values)) if array is None else array
    whole = array.dtype.kind in "iu"
    if not is_real(array.dtype) or (whole and array.size and int(array.max()) > MAX_COUNT):
        raise ConfigError(
            f"`step` must be a number of steps up to {MAX_COUNT}, or an array of them; got "
            f"{shown(values)}."
        )
    return array.astype(np.int64 if whole else np.float64)


def check_same_length(name: str, values: FloatArray, other_name: str, others: FloatArray) -> None:
    """Raise ConfigError unless two arrays have as many values for each sweep."""
    if values.shape[-1] != others.shape[-1]:
        raise ConfigError(
            f"`{name}` and `{other_name}` must have the same length, one value for each learning "
            f"rate; got {name} {values.shape} and {other_name} {others.shape}."
        )


def _numbers(name: str, values: Any, dimensions: int) -> FloatArray:
    array = array_of(values)
    if array is None:
        array = _array_of_list(values)
    needed = "one dimension" if dimensions == 1 else f"{dimensions} dimensions"
    if array is None or not is_real(array.dtype):
        kind = "" if array is None or array.dtype.kind == "O" else f" of type {array.dtype}"
        raise ConfigError(
            f"`{name}` must be an array of real numbers with {needed}; got {shown(values)}{kind}."
        )
    if array.ndim != dimensions:
        raise ConfigError(f"`{name}` must have {needed}; got shape {array.shape}.")
    if array.shape[-1] > MAX_STEPS:
        raise ConfigError(
            f"`{name}` must have at most {MAX_STEPS} values, as many as a test has steps; got "
            f"{array.shape[-1]}. Keep every tenth value, for example."
        )
    with np.errstate(all="ignore"):
        return np.array(array, dtype=np.float64)


def _array_of_list(values: Any) -> NDArray[Any] | None:
    if not isinstance(values, list | tuple):
        return None
    try:
        return np.asarray(values)
    except Exception:
        # Rows of different lengths, or elements that have no value yet.
        return None


def _all_finite(name: str, array: FloatArray) -> FloatArray:
    broken = np.argwhere(~np.isfinite(array))
    if len(broken):
        place = tuple(broken[0].tolist())
        raise ConfigError(
            f"`{name}` must be finite; got {array[place]} at {name}{list(place)}. "
            "End the curve before this value."
        )
    return array
