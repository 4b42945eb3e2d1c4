"""Extensions of a model's training step: added for one `fit`, then removed.

A compiled step keeps the state of the time when it was traced and ignores later changes by a
callback. A callback that acts inside the step therefore replaces the model's train function in
`on_train_begin`. Everything else in the model changes only during a call of that function,
however `fit` ends.

Keras does not notify a callback when `fit` is interrupted. So the callback announces each step
with `expect_step`. A step without it, such as a later `train_on_batch`, runs without extensions.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

Step = Callable[..., Any]
_COMPILED = "_lrwidget_compiled"
_NOTHING = object()


class StepExtension:
    """An extension of a training step. Equal extensions share a compiled function."""

    def extend(self, step: Step) -> Step:
        """Return the extended step. If it is compiled, its Python code runs once per trace."""
        return step

    def overrides(self) -> "list[AttributeOverride]":
        """Return the attribute overrides for each call of the train function, compiled or not.

        Called once per `fit`, while no override is active.
        """
        return []


class RunningFit:
    """The handle on a `fit` whose steps are extended; callbacks announce each step to it."""

    def __init__(self) -> None:
        self._is_expected = False

    def expect_step(self) -> None:
        """Announce in `on_train_batch_begin` that this `fit` calls the train function next."""
        self._is_expected = True

    def consume_expected_step(self) -> bool:
        """Return whether the current call was announced, and clear the announcement."""
        announced, self._is_expected = self._is_expected, False
        return announced


def add_to_step(model: keras.Model, extension: StepExtension) -> RunningFit:
    """Extend the training steps of the `fit` that is about to begin.

    Args:
        model: A model whose `fit` is in `on_train_begin`.
        extension: The extension to add around earlier ones. Adding it twice has no effect.

    Returns:
        The handle on which a callback must announce every step.
    """
    current = _added_to(model)
    if current is None:
        current = _ExtendedFunction(model, model.train_function, (), RunningFit())
    if extension not in current.extensions:
        current = current.with_extensions((*current.extensions, extension))
        model.train_function = current
        current.make()
    return current.fit


def remove_from_step(model: keras.Model, extension: StepExtension) -> None:
    """Remove an extension, and restore Keras' own compiled function after the last one."""
    current = _added_to(model)
    if current is None or extension not in current.extensions:
        return
    rest = tuple(other for other in current.extensions if other != extension)
    model.train_function = current.with_extensions(rest) if rest else current.plain


def retrace(model: keras.Model) -> None:
    """Make the train function again, so that the next step sees changes made since then.

    This also works during a `fit`, where Keras calls the model's current train function. The
    extensions of this `fit` are kept.
    """
    if model.train_function is None:
        return
    current = _added_to(model)
    model.make_train_function(force=True)
    if current is not None:
        extended = _ExtendedFunction(model, model.train_function, current.extensions, current.fit)
        model.train_function = extended
        extended.make()


def attach_state(model: keras.Model) -> None:
    """Update the variables of a model on JAX, where `fit` holds their values during an epoch.

    A step takes values that are assigned afterwards; without this, it ignores them.
    """
    if keras.backend.backend() == "jax":
        model.jax_state_sync()


def _added_to(model: keras.Model) -> "_ExtendedFunction | None":
    """Return the extended function of this `fit`; one left by an interrupted `fit` is removed."""
    current = model.train_function
    if not isinstance(current, _ExtendedFunction):
        return None
    if current.is_of_this_fit():
        return current
    model.train_function = current.plain
    return None


class _ExtendedFunction:
    """Replaces a model's train function while a `fit` runs.

    Args:
        model: The model that is trained.
        plain: The train function that Keras made.
        extensions: The extensions of the step, innermost first.
        fit: The handle on the running `fit`.
    """

    def __init__(
        self,
        model: keras.Model,
        plain: Step,
        extensions: tuple[StepExtension, ...],
        fit: RunningFit,
    ) -> None:
        self.plain = plain
        self.extensions = extensions
        self.fit = fit
        self._model = model
        self._history = model.history
        # Always a new function: JAX finds an earlier trace by the function's identity.
        self._step: Step = functools.partial(model.train_step)
        for extension in extensions:
            self._step = extension.extend(self._step)
        overrides = [AttributeOverride(model, "train_step", self._step)]
        self._overrides = Overrides(sum((each.overrides() for each in extensions), overrides))
        self._made: Step | None = None

    def __call__(self, *args: Any) -> Any:
        if not self.is_of_this_fit():
            self._model.train_function = self.plain
            return self.plain(*args)
        if not self.fit.consume_expected_step():
            return self.plain(*args)
        made = self._made or self.make()
        with self._overrides:
            return made(*args)

    def with_extensions(self, extensions: tuple[StepExtension, ...]) -> "_ExtendedFunction":
        """Return a copy for the same train function and `fit` with other extensions."""
        return _ExtendedFunction(self._model, self.plain, extensions, self.fit)

    def is_of_this_fit(self) -> bool:
        """Return whether the same `fit` still runs; every `fit` gives the model a new History."""
        return self._model.history is self._history

    def make(self) -> Step:
        """Return the train function that Keras makes from the extended step.

        The first call must come before `fit` takes a step: on JAX with several devices, Keras
        reads the model's variables here, and they are empty while the steps run.
        """
        if self._made is None:
            # Stored on the plain function, so that both are deleted at the same time.
            kept = vars(self.plain).setdefault(_COMPILED, {})
            if self.extensions not in kept:
                kept[self.extensions] = self._newly_made()
            self._made = kept[self.extensions]
        return self._made

    def _newly_made(self) -> Step:
        with self._overrides:
            self._model.make_train_function(force=True)
        made, self._model.train_function = self._model.train_function, self
        return made


# Classes, because generators and ExitStack are too slow for steps of a millisecond.
class AttributeOverride:
    """Replaces an attribute of one object for a while, without calling its `__setattr__`.

    Args:
        owner: The object.
        name: The attribute.
        value: Its temporary value.
    """

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


class WrappedAttribute(AttributeOverride):
    """Wraps an attribute of one object for a while.

    Args:
        owner: The object.
        name: The attribute.
        wrap: Takes the value of the attribute on entry and returns the temporary value.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        super().__init__(owner, name, None)
        self._owner, self._wrap = owner, wrap

    def __enter__(self) -> None:
        self._value = self._wrap(getattr(self._owner, self._name))
        super().__enter__()


class Overrides:
    """Several overrides as one context manager; reusable, but not nestable."""

    def __init__(self, overrides: list[AttributeOverride]) -> None:
        self._shadows = overrides

    def __enter__(self) -> None:
        for override in self._shadows:
            override.__enter__()

    def __exit__(self, *_error: object) -> None:
        for override in reversed(self._shadows):
            override.__exit__()
