"""What is added to a model's training step for the length of one `fit`, and taken off again.

A compiled step sees what was there when it was traced, not what a callback changes later. So a
callback that is to act inside the step exchanges the model's train function in `on_train_begin`.
Nothing else of the model is changed for longer than a call of that function lasts, whatever way
`fit` is left.

A callback is not told when `fit` is interrupted. So it announces each step, and what is not
announced, such as a later `train_on_batch`, runs as if nothing had been added.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

Step = Callable[..., Any]
_COMPILED = "_lrwidget_compiled"
_NOTHING = object()


class Addition:
    """Something added to a training step. Equal ones share a compiled function."""

    def extend(self, step: Step) -> Step:
        """Return a step that does something more; compiled, it runs once for each trace."""
        return step

    def shadows(self) -> "list[Shadow]":
        """Return what is exchanged during each call of the train function, compiled or not.

        It is asked for once a `fit`, while nothing is exchanged.
        """
        return []


class RunningFit:
    """A `fit` whose steps are extended, as the callbacks that extend it know it."""

    def __init__(self) -> None:
        self._announced = False

    def announce_step(self) -> None:
        """Say in `on_train_batch_begin` that the next call of the train function is of this fit."""
        self._announced = True

    def takes_step(self) -> bool:
        """Say whether the call that has just come was announced."""
        announced, self._announced = self._announced, False
        return announced


def add_to_step(model: keras.Model, addition: Addition) -> RunningFit:
    """Make the `fit` that is about to begin train with an addition, around earlier ones.

    Args:
        model: Its `fit` is in `on_train_begin`.
        addition: What to add; if it is there already, nothing happens.

    Returns:
        What each step of this `fit` has to be announced to, by one callback at least.
    """
    current = _added_to(model)
    if current is None:
        current = _ExtendedFunction(model, model.train_function, (), RunningFit())
    if addition not in current.additions:
        current = current.with_additions((*current.additions, addition))
        model.train_function = current
        current.make()
    return current.fit


def take_from_step(model: keras.Model, addition: Addition) -> None:
    """Take an addition off again; what Keras had compiled comes back as it was."""
    current = _added_to(model)
    if current is None or addition not in current.additions:
        return
    rest = tuple(other for other in current.additions if other != addition)
    model.train_function = current.with_additions(rest) if rest else current.plain


def trace_anew(model: keras.Model) -> None:
    """Let a model's next step see what has changed since its train function was made.

    In the middle of a `fit` too, where Keras goes on calling the function that the model has;
    what was added to the steps of this `fit` stays.
    """
    if model.train_function is None:
        return
    current = _added_to(model)
    model.make_train_function(force=True)
    if current is not None:
        extended = _ExtendedFunction(model, model.train_function, current.additions, current.fit)
        model.train_function = extended
        extended.make()


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
        fit: The `fit` that this belongs to.
    """

    def __init__(
        self, model: keras.Model, plain: Step, additions: tuple[Addition, ...], fit: RunningFit
    ) -> None:
        self.plain = plain
        self.additions = additions
        self.fit = fit
        self._model = model
        self._history = model.history
        # A function of its own in any case: JAX finds an earlier trace by the function's identity.
        self._step: Step = functools.partial(model.train_step)
        for addition in additions:
            self._step = addition.extend(self._step)
        shadows = [Shadow(model, "train_step", self._step)]
        self._exchanged = Exchanged(sum((each.shadows() for each in additions), shadows))
        self._made: Step | None = None

    def __call__(self, *args: Any) -> Any:
        if not self.is_of_this_fit():
            self._model.train_function = self.plain
            return self.plain(*args)
        if not self.fit.takes_step():
            return self.plain(*args)
        made = self._made or self.make()
        with self._exchanged:
            return made(*args)

    def with_additions(self, additions: tuple[Addition, ...]) -> "_ExtendedFunction":
        """Return what stands for the same train function in the same `fit` with these additions."""
        return _ExtendedFunction(self._model, self.plain, additions, self.fit)

    def is_of_this_fit(self) -> bool:
        """Every `fit` gives the model a History of its own."""
        return self._model.history is self._history

    def make(self) -> Step:
        """Return the function that Keras makes of the extended step.

        First called before `fit` takes a step: on JAX with several devices, Keras then looks at
        the model's variables, which are empty while the steps run.
        """
        if self._made is None:
            # Kept with the plain function, so that it lives as long and no longer.
            kept = vars(self.plain).setdefault(_COMPILED, {})
            if self.additions not in kept:
                kept[self.additions] = self._newly_made()
            self._made = kept[self.additions]
        return self._made

    def _newly_made(self) -> Step:
        with self._exchanged:
            self._model.make_train_function(force=True)
        made, self._model.train_function = self._model.train_function, self
        return made


# Classes, not generators or an ExitStack: a step of a millisecond must not wait for them.
class Shadow:
    """Lets an attribute of one object be another for a while, past its class's `__setattr__`."""

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._attributes, self._name, self._value = vars(owner), name, value
        self._own = self._attributes.get(name, _NOTHING)

    def __enter__(self) -> None:
        self._own = self._attributes.get(self._name, _NOTHING)
        self._attributes[self._name] = self._value

    def __exit__(self, *_error: object) -> None:
        if self._own is _NOTHING:
            self._attributes.pop(self._name, None)
        else:
            self._attributes[self._name] = self._own


class Wrapped(Shadow):
    """Lets an attribute of one object be a wrapper of what it is on entering.

    Args:
        owner: The object.
        name: The attribute.
        wrap: Takes what the attribute is, returns what it is to be for a while.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        super().__init__(owner, name, None)
        self._owner, self._wrap = owner, wrap

    def __enter__(self) -> None:
        self._value = self._wrap(getattr(self._owner, self._name))
        super().__enter__()


class Exchanged:
    """Enters shadows one after another, as often as wanted, but not twice at a time."""

    def __init__(self, shadows: list[Shadow]) -> None:
        self._shadows = shadows

    def __enter__(self) -> None:
        for shadow in self._shadows:
            shadow.__enter__()

    def __exit__(self, *_error: object) -> None:
        for shadow in reversed(self._shadows):
            shadow.__exit__()
