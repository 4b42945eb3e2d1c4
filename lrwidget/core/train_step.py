"""What is added to a model's training step for the length of one `fit`, and taken off again.

A compiled step sees what was there when it was traced, not what a callback changes later. So a
callback that is to act inside the step exchanges the model's train function in `on_train_begin`.
Nothing else of the model is changed for longer than a call of that function lasts, whatever way
`fit` is left.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import keras

Step = Callable[..., Any]
_COMPILED = "_lrwidget_compiled"


class Addition:
    """Something added to a training step. Equal ones share a compiled function."""

    def extend(self, step: Step) -> Step:
        """Return a step that does something more; compiled, it runs once for each trace."""
        return step

    def in_place(self) -> AbstractContextManager[Any]:
        """Return what is entered around each call of the train function, compiled or not."""
        return nullcontext()


def add_to_step(model: keras.Model, addition: Addition) -> None:
    """Make the `fit` that is about to begin train with an addition, around earlier ones.

    Args:
        model: Its `fit` is in `on_train_begin`.
        addition: What to add; if it is there already, nothing happens.
    """
    current = _added_to(model)
    plain = model.train_function if current is None else current.plain
    earlier = () if current is None else current.additions
    if addition in earlier:
        return
    model.train_function = _ExtendedFunction(model, plain, (*earlier, addition))


def take_from_step(model: keras.Model, addition: Addition) -> None:
    """Take an addition off again; what Keras had compiled comes back as it was."""
    current = _added_to(model)
    if current is None or addition not in current.additions:
        return
    rest = tuple(other for other in current.additions if other != addition)
    plain = current.plain
    model.train_function = _ExtendedFunction(model, plain, rest) if rest else plain


def _added_to(model: keras.Model) -> "_ExtendedFunction | None":
    """Return what extends the running `fit`; what an interrupted one left behind goes."""
    current = model.train_function
    if not isinstance(current, _ExtendedFunction):
        return None
    if current.is_of_this_fit():
        return current
    model.train_function = current.plain
    return None


class _ExtendedFunction:
    """Stands in for a model's train function while a `fit` runs.

    Args:
        plain: The train function that Keras made.
        additions: What is added to the step, innermost first.
    """

    def __init__(self, model: keras.Model, plain: Step, additions: tuple[Addition, ...]) -> None:
        self.plain = plain
        self.additions = additions
        self._model = model
        self._history = model.history
        # A function of its own in any case: JAX finds an earlier trace by the function's identity.
        self._step: Step = functools.partial(model.train_step)
        for addition in additions:
            self._step = addition.extend(self._step)
        self._compiled: Step | None = None

    def __call__(self, *args: Any) -> Any:
        if not self.is_of_this_fit():
            # The `fit` that this belongs to was interrupted, and a callback is not told.
            self._model.train_function = self.plain
            return self.plain(*args)
        with ExitStack() as stack:
            stack.enter_context(shadowed(self._model, "train_step", self._step))
            for addition in self.additions:
                stack.enter_context(addition.in_place())
            return self._function()(*args)

    def is_of_this_fit(self) -> bool:
        """Every `fit` gives the model a History of its own."""
        return self._model.history is self._history

    def _function(self) -> Step:
        if self._compiled is None:
            # Kept with the plain function, so that it lives as long and no longer.
            kept = vars(self.plain).setdefault(_COMPILED, {})
            if self.additions not in kept:
                kept[self.additions] = self._make()
            self._compiled = kept[self.additions]
        return self._compiled

    def _make(self) -> Step:
        self._model.make_train_function(force=True)
        made, self._model.train_function = self._model.train_function, self
        return made


@contextmanager
def shadowed(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an attribute of one object be another for a while, past its class's `__setattr__`."""
    attributes = vars(owner)
    own = {name: attributes[name]} if name in attributes else {}
    attributes[name] = value
    try:
        yield
    finally:
        attributes.pop(name, None)
        attributes.update(own)
