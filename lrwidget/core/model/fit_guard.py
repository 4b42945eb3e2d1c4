"""FitGuard: follows one running `fit` and detects how it ends, also by an error.

Keras does not call a callback when `fit` raises. So during one `fit`, the guard wraps everything
that this `fit` calls: the hooks of its CallbackList, which run the code of all callbacks; the
train function, which is replaced just before each step and restored when the step begins; and the
validation. It detects an error or an interrupt in any of them at once.

It cannot detect an error in Keras' own code in between: an interrupt between two steps, for
example, or data that fail on PyTorch, where `fit` loads them before the step. So the guard also
wraps the methods that use a model. The first of them that is called after such an exit restores
the model. A call from inside the `fit`, such as a checkpoint, passes through: while the `fit`
runs, its frame is on the stack of a thread.
"""

import functools
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple, Protocol

import keras

from lrwidget.core.model.interrupts import UninterruptedExit
from lrwidget.core.model.reserve import USES_OF_MODEL
from lrwidget.core.model.train_step import AttributeOverride
from lrwidget.errors import LRWidgetError


class FitCall(NamedTuple):
    """A running call of `fit`."""

    callback_list: keras.callbacks.CallbackList
    frame: FrameType


def current_fit() -> FitCall:
    """Return the `fit` that calls the `on_train_begin` of a callback, within that call.

    Raises:
        LRWidgetError: The callback was not called by `fit`.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList):
            return FitCall(owner, frame.f_back)
        frame = frame.f_back
    raise LRWidgetError(
        "LRRangeTest works inside `fit` only. Call `model.fit(..., callbacks=[finder])`."
    )


def check_not_in_use(callback: keras.callbacks.Callback) -> None:
    """Check in `on_train_begin` that a callback is used only once, and in only one running `fit`.

    Raises:
        LRWidgetError: It is in the list of this `fit` twice, or in use by another running `fit`.
    """
    name = type(callback).__name__
    fits = _running_fits()
    places = [sum(each is callback for each in held) for _, held in fits]
    if max(places, default=0) > 1:
        raise LRWidgetError(
            f"The callbacks of this `fit` hold the same {name} {max(places)} times. Pass it once."
        )
    if sum(places) > 1:
        # Keras has already told the callback to follow the model of this `fit`.
        callback.set_model(next(model for model, held in reversed(fits) if callback in held))
        raise LRWidgetError(
            f"This {name} is in use by another `fit` that is still running. Create one for each "
            "`fit`."
        )


def _running_fits() -> list[tuple[keras.Model, list[keras.callbacks.Callback]]]:
    """Return model and callbacks of each `fit` that is being executed, the innermost first."""
    found = []
    for frame in _executed_frames():
        if frame.f_code.co_name == "fit":
            held = frame.f_locals.get("callbacks")
            if isinstance(held, keras.callbacks.CallbackList):
                found.append((frame.f_locals["self"], held.callbacks))
    return found


class Follower(Protocol):
    """Follows the steps of a `fit`. Exactly one of its last three methods is called, once.

    These three undo everything and return a message for the user, or an empty string.
    """

    def begin_epoch(self, epoch: int) -> None:
        """Prepare an epoch, before `on_epoch_begin` of all callbacks."""

    def begin_step(self) -> None:
        """Prepare a step, after `on_train_batch_begin` of all callbacks."""

    def begin_train_function(self, data: Any) -> None:
        """Inspect the data iterator that the train function is about to read."""

    def end_step(self, logs: Any) -> None:
        """Record a step, before `on_train_batch_end` of all callbacks."""

    def record_state(self) -> None:
        """Record the state of the model after the callbacks have run."""

    def fit_ended(self) -> str:
        """Undo everything, after `on_train_end` of all callbacks."""

    def fit_failed(self) -> str:
        """Undo everything, before an error or an interrupt leaves `fit`."""

    def fit_was_left(self) -> str:
        """Undo everything after `fit` ended without being detected."""


class FitGuard:
    """Notifies a follower of each step of a `fit`, and of its end.

    The guard does not change the model before the first epoch begins.

    Args:
        model: The model whose `fit` runs.
        fit: Its `fit`, in `on_train_begin`.
        follower: The object to notify.
    """

    def __init__(self, model: keras.Model, fit: FitCall, follower: Follower) -> None:
        self._model, self._follower = model, follower
        self._frame: FrameType | None = fit.frame
        self._overrides: list[AttributeOverride] = []
        self._step = AttributeOverride(model, "train_function", self._train_function)
        self._has_begun = self._step_is_next = False
        for name, before, after in (
            ("on_epoch_begin", self._begin_epoch, self._follower.record_state),
            ("on_train_batch_begin", _nothing, self._begin_step),
            ("on_train_batch_end", self._end_step, self._follower.record_state),
            ("on_epoch_end", _nothing, self._follower.record_state),
        ):
            # Keras takes a StopIteration during a step for the end of the data.
            may_end_data = name.startswith("on_train_batch")
            self._exchange(fit.callback_list, name, self._hook(before, after, may_end_data))
        self._exchange(fit.callback_list, "on_train_end", self._last_hook)

    @property
    def is_running(self) -> bool:
        """Whether the `fit` is still running, in any thread."""
        return self._frame is not None and _is_executed(self._frame)

    def fail(self) -> None:
        """Make the follower undo everything, if it has not done so yet."""
        self._leave(self._follower.fit_failed)

    def check_left(self) -> None:
        """Make the follower undo everything if `fit` ended undetected, and warn the user."""
        if not self._has_begun or self.is_running:
            return
        self._leave(self._follower.fit_was_left, 4)

    def _leave(self, undo: Callable[[], str], stacklevel: int = 2) -> None:
        if not self._has_begun:
            return
        messages: list[str] = []
        with UninterruptedExit() as stack:
            stack.callback(lambda: messages.append(undo()))
            for override in self._overrides:
                stack.push(override)
            if self._step_is_next:
                stack.push(self._step)
            self._has_begun = self._step_is_next = False
            self._frame = None
        if any(messages):
            warnings.warn(messages[0], UserWarning, stacklevel=stacklevel)

    def _exchange(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        own = getattr(owner, name)
        override = AttributeOverride(owner, name, functools.wraps(own)(wrap(own)))
        self._overrides.append(override)
        override.__enter__()

    def _hook(
        self, before: Callable[..., Any], after: Callable[[], Any], may_end_data: bool
    ) -> Callable[[Any], Any]:
        """Return a wrapper for a hook of the CallbackList."""

        def wrap(own: Callable[..., Any]) -> Callable[..., Any]:
            def hook(*args: Any, **kwargs: Any) -> None:
                try:
                    before(*args, **kwargs)
                    own(*args, **kwargs)
                    after()
                except BaseException as error:
                    if not (may_end_data and _ends_data(error)):
                        self.fail()
                    raise

            return hook

        return wrap

    def _last_hook(self, own: Callable[..., Any]) -> Callable[..., Any]:
        def hook(*args: Any, **kwargs: Any) -> None:
            try:
                own(*args, **kwargs)
            finally:
                self._leave(self._follower.fit_ended, 5)

        return hook

    def _begin_epoch(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if not self._has_begun:
            self._has_begun = True
            _guards[self._model] = weakref.ref(self)
            for name in (*USES_OF_MODEL, "get_config"):
                self._exchange(self._model, name, self._use)
        self._follower.begin_epoch(epoch)

    def _begin_step(self) -> None:
        self._follower.begin_step()
        self._step.__enter__()
        self._step_is_next = True

    def _train_function(self, *args: Any) -> Any:
        self._step_is_next = False
        self._step.__exit__()
        try:
            self._follower.begin_train_function(args[-1])
            return self._model.train_function(*args)
        except BaseException as error:
            if not _ends_data(error):
                self.fail()
            raise

    def _end_step(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._follower.end_step(logs)

    def _use(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a method of the model."""

        def use(*args: Any, **kwargs: Any) -> Any:
            self.check_left()
            try:
                return own(*args, **kwargs)
            except BaseException:
                # `fit` itself made this call: it is the validation.
                if self._frame is not None and sys._getframe(1) is self._frame:
                    self.fail()
                raise

        return use


_guards: "weakref.WeakKeyDictionary[keras.Model, weakref.ref[FitGuard]]" = (
    weakref.WeakKeyDictionary()
)


def finish_left_fit(model: keras.Model) -> None:
    """Restore a model, with a warning, if a `fit` with LRRangeTest ended undetected.

    The methods of the model call this themselves; other functions that use the model must call it.

    Args:
        model: Any model.
    """
    guard = _guards[model]() if model in _guards else None
    if guard is not None:
        guard.check_left()


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    pass


def _is_executed(frame: FrameType) -> bool:
    return any(each is frame for each in _executed_frames())


def _executed_frames() -> Iterator[FrameType]:
    """Yield the frames of all calls that are being executed, in any thread."""
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            yield frame
            frame = frame.f_back


def _ends_data(error: BaseException) -> bool:
    """Return whether an error of the train function only signals the end of an epoch."""
    if keras.backend.backend() != "tensorflow":
        return isinstance(error, StopIteration)
    import tensorflow as tf

    return isinstance(error, StopIteration | tf.errors.OutOfRangeError)
