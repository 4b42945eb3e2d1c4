"""Kind: how a number of a field is parsed from typed text, and how it is written."""

import math
from collections.abc import Callable
from typing import NamedTuple

from lrwidget.core.model.learning_rate import is_rate
from lrwidget.ui.words import text


class Kind(NamedTuple):
    """The kind of number that a field accepts.

    Args:
        read: Parses typed text; raises ValueError if it is not such a number.
        write: Formats a number for the field.
        noun: Names this kind of number in an error message.
    """

    read: Callable[[str], float]
    write: Callable[[float], str]
    noun: str


def _reader(parse: Callable[[str], float], fits: Callable[[float], bool]) -> Callable[[str], float]:
    def read(typed: str) -> float:
        number = parse(typed.strip())
        if not fits(number):
            raise ValueError(typed)
        return number

    return read


def _whole(typed: str) -> int:
    """Parse a whole number, also one written as 1e3."""
    number = float(typed)
    if not number.is_integer():
        raise ValueError(typed)
    return int(number)


MOST = 2**31 - 1  # steps: optimizers count them in 32 bits

LR = Kind(
    _reader(float, is_rate),
    text.format_lr,
    "a learning rate: a number above 0, such as 3e-4",
)
STEPS = Kind(_reader(_whole, lambda count: count >= 2), str, "a whole number of at least 2")
COUNT = Kind(
    _reader(_whole, lambda count: 1 <= count <= MOST), str, f"a whole number from 1 to {MOST}"
)
WHOLE = Kind(
    _reader(_whole, lambda count: 0 <= count <= MOST), str, f"a whole number from 0 to {MOST}"
)
ZERO_OR_LR = Kind(
    _reader(float, lambda lr: lr == 0 or is_rate(lr)),
    lambda lr: text.format_lr(lr) if lr else "0",
    "0 or a learning rate, such as 3e-6",
)
LENGTH = Kind(
    _reader(float, lambda length: 0 < length <= MOST / 2),
    "{:.6g}".format,
    f"a number above 0, up to {MOST // 2}",
)
GAMMA = Kind(
    _reader(float, lambda gamma: 0 < gamma <= 1),
    "{:.8g}".format,
    "a number above 0, up to 1",
)
PART = Kind(
    _reader(float, lambda share: 0 < share < 1), "{:.3g}".format, "a number between 0 and 1"
)
DIVISOR = Kind(
    _reader(float, lambda divisor: 1 <= divisor < math.inf),
    "{:.6g}".format,
    "a number of at least 1",
)
SHARE = Kind(
    _reader(float, lambda share: 0 <= share < 1),
    "{:.3g}".format,
    "a number from 0 up to, but not including, 1",
)
FACTOR = Kind(
    _reader(float, lambda factor: factor > 0), "{:.8g}".format, "a number above 0, or inf for never"
)
