"""The Python expression that finds an optimizer on its model."""

import keyword
import unicodedata
from collections import deque
from collections.abc import Iterator
from typing import Any

import keras

from lrwidget.core.model.learning_rate import optimizers_of

NOT_FOUND = "optimizer"
"""Used for an optimizer that no public attribute leads to."""

GIVEN_RATE = "learning_rate=learning_rate"
"""Used for a `learning_rate` that was passed to the widget in place of an optimizer."""

_DEEPEST = 3


def code_of_optimizer(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> str:
    """Return an expression for an optimizer of `model` that uses only public attributes.

    Returns:
        The expression; empty if the model has no other optimizer, since none must be named then;
        NOT_FOUND if no public attribute leads to it.
    """
    if optimizers_of(model) == [optimizer]:
        return ""
    waiting: deque[tuple[str, Any, int]] = deque([("model", model, 0)])
    seen: set[int] = set()
    while waiting:
        path, holder, depth = waiting.popleft()
        if holder is optimizer:
            return path
        if depth < _DEEPEST and id(holder) not in seen:
            seen.add(id(holder))
            waiting.extend((path + step, value, depth + 1) for step, value in _members(holder))
    return NOT_FOUND


def _members(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield each object that `holder` holds, with the code that leads to it."""
    if isinstance(holder, dict):
        # Skip other keys: their text would come from the user.
        yield from ((f"[{k!r}]", v) for k, v in holder.items() if type(k) in (str, int))
    elif isinstance(holder, list | tuple):
        yield from ((f"[{index}]", value) for index, value in enumerate(holder))
    elif isinstance(holder, keras.layers.Layer | keras.optimizers.Optimizer):
        yield from ((f".{name}", v) for name, v in vars(holder).items() if _is_public(name))


def _is_public(name: str) -> bool:
    # Python normalizes names: letters with a simpler form would give another name.
    is_itself = unicodedata.normalize("NFKC", name) == name
    is_name = name.isidentifier() and not keyword.iskeyword(name)
    return is_name and is_itself and not name.startswith("_")
