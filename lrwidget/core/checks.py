"""The checks of all settings: each returns a plain Python value or raises ConfigError.

Numpy scalars and zero-dimensional arrays count as numbers. They become Python numbers, so that
they can be saved and compared.
"""

import inspect
import math
import numbers
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrwidget.errors import ConfigError

MAX_STEPS = 1_000_000
MAX_SWEEPS = 1_000
MAX_COUNT = 2**31 - 1
"""The largest number of training steps that every backend can count."""

MIN_RATE = float(np.finfo(np.float32).smallest_normal)
MAX_RATE = float(np.finfo(np.float32).max)
"""The limits of learning rates that are neither 0 nor infinite in float32."""

_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = _SHORT.maxlong = 80


def as_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
    finite: bool = True,
    hint: str = "",
) -> float:
    """Return a number within limits as a float.

    Args:
        name: The name of the argument, for the error.
        value: Anything.
        above: The number must be larger.
        at_least: The number must not be smaller.
        below: The number must be smaller.
        at_most: The number must not be larger.
        finite: Whether infinity is refused as well.
        hint: A sentence that is added to the error.

    Raises:
        ConfigError: It is not a number, NaN, or outside the limits.
    """
    number = plain_number(value)
    number = math.nan if number is None else _as_float(number)
    allowed = above < number < below and at_least <= number <= at_most
    if not finite:
        allowed = allowed or (number == math.inf == below == at_most)
    elif not math.isfinite(number):
        allowed = False
    if not allowed:
        kind = "finite number" if finite else "number"
        limits = _limits(above=above, at_least=at_least, below=below, at_most=at_most)
        raise ConfigError(_sentence(name, f"a {kind}{limits}", value, hint))
    return number


def as_any_float(name: str, value: Any, hint: str = "") -> float:
    """Return any real number as a float; NaN and infinity are allowed."""
    number = plain_number(value)
    if number is None:
        raise ConfigError(_sentence(name, "a number", value, hint))
    return _as_float(number)


def as_rate(name: str, value: Any, *, or_zero: bool = False) -> float:
    """Return a learning rate as a float: above 0 (or at least 0), also after a cast to float32.

    Raises:
        ConfigError: It is not a number, too small or too large.
    """
    rate = as_number(name, value, at_least=0.0) if or_zero else as_number(name, value, above=0.0)
    if rate and not MIN_RATE <= rate <= MAX_RATE:
        raise ConfigError(
            f"`{name}` must be a finite number above 0 in float32, from {MIN_RATE:.3g} to "
            f"{MAX_RATE:.3g}; got {name}={rate!r}."
        )
    return rate


def as_count(
    name: str, value: Any, *, at_least: int = 0, at_most: int = MAX_COUNT, hint: str = ""
) -> int:
    """Return a whole number within limits as an int.

    Args:
        name: The name of the argument, for the error.
        value: Anything.
        at_least: The number must not be smaller.
        at_most: The number must not be larger.
        hint: A sentence that is added to the error.

    Raises:
        ConfigError: It is not a whole number, or outside the limits.
    """
    number = plain_number(value)
    if not isinstance(number, int) or not at_least <= number <= at_most:
        limits = _limits(at_least=at_least, at_most=at_most)
        raise ConfigError(_sentence(name, f"a whole number{limits}", value, hint))
    return number


def as_flag(name: str, value: Any) -> bool:
    """Return True or False as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(_sentence(name, "True or False", value))
    return bool(value)


def as_text(name: str, value: Any) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigError(_sentence(name, "a string that is not empty", value))
    return str(value)


def as_choice(name: str, value: Any, known: Iterable[str]) -> str:
    """Return one of the known names; the error lists them all."""
    names = list(known)
    if not isinstance(value, str) or value not in names:
        quoted = [f'"{each}"' for each in names]
        listed = " or ".join(quoted) if len(quoted) == 2 else f"one of {', '.join(quoted)}"
        raise ConfigError(_sentence(name, listed, value))
    return str(value)


def as_items(name: str, values: Any, needed: str) -> list[Any]:
    """Return the items of a list, an array or another iterable, but not the letters of a text."""
    try:
        if not isinstance(values, str | bytes):
            return list(values)
    except TypeError:
        pass  # an array without dimensions has `__iter__`, too
    raise ConfigError(_sentence(name, needed, values))


def as_function(name: str, value: Any, signature: str, arguments: int) -> Any:
    """Return a callable that takes so many arguments; the error names them by `signature`."""
    if not callable(value) or not takes(value, arguments):
        raise ConfigError(_sentence(name, f"a function {signature}", value))
    return value


def takes(function: Callable[..., Any], arguments: int) -> bool:
    """Return whether a function can be called with so many arguments; True if unknown."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*range(arguments))
    except TypeError:
        return False
    return True


def check_listeners(on_update: Any, stop: Any) -> None:
    """Raise ConfigError unless `on_update` and `stop` are None or can be used."""
    if on_update is not None:
        as_function("on_update", on_update, "of one argument, the update", 1)
    if stop is not None:
        as_function("stop.is_set", getattr(stop, "is_set", None), "that says whether to stop", 0)


def check_order(low_name: str, low: float, high_name: str, high: float) -> None:
    """Raise ConfigError if a lower limit is above the upper limit."""
    if low > high:
        raise ConfigError(
            f"`{low_name}` must not be above `{high_name}`; got {low_name}={low:g}, "
            f"{high_name}={high:g}. Swap them."
        )


def is_real(dtype: np.dtype[Any]) -> bool:
    """Return whether values of a type are real numbers, bfloat16 included, and not bools."""
    return dtype.kind != "b" and np.can_cast(dtype, np.float64, "same_kind")


def plain_number(value: Any) -> int | float | None:
    """Return a real number as an int or a float; None for everything else."""
    if isinstance(value, bool | np.bool_ | str | bytes):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _as_float(value)
    array = array_of(value)
    if array is None or array.shape != () or not is_real(array.dtype):
        return None
    return int(array) if array.dtype.kind in "iu" else float(array.astype(np.float64))


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def array_of(value: Any) -> NDArray[Any] | None:
    """Return an array, a tensor or a variable as a numpy array; None for everything else."""
    try:
        return np.asarray(value.__array__())
    except Exception:
        # Each library has its own errors for objects that are no arrays or have no values yet.
        return None


def _limits(**limits: float) -> str:
    """Return the limits of a number in words, with a space before them."""
    words = {"above": "above", "at_least": "of at least", "below": "below", "at_most": "of at most"}
    given = [
        f"{words[name]} {limit if isinstance(limit, int) else format(limit, 'g')}"
        for name, limit in limits.items()
        if math.isfinite(limit)
    ]
    return " " + " and ".join(given).replace("and of", "and") if given else ""


def _sentence(name: str, needed: str, value: Any, hint: str = "") -> str:
    sentence = f"`{name}` must be {needed}; got {name}={shown(value)}."
    return f"{sentence} {hint}" if hint else sentence


def shown(value: Any) -> str:
    """Return the `repr` of a value, shortened if it is long."""
    try:
        return " ".join(_SHORT.repr(value).split())
    except Exception:
        return f"a value of type {type(value).__name__}"
