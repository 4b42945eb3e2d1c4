"""What the campaigns of faults share: faults, the moments of a `fit`, and the state to compare."""

import random
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.backend.common import global_state

from lrwidget.core.model.learning_rate import get_learning_rate

BACKEND = keras.backend.backend()

# Keras leaves these on a model after a validation.
LEFT_BY_VALIDATION = {"_eval_epoch_iterator", "stop_evaluating"}


def raising(error: BaseException) -> Callable[..., None]:
    def act(*_args: Any) -> None:
        raise error

    return act


def interrupt(*_args: Any) -> None:
    """Press the interrupt button: a real signal to Python's main thread."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


# Each with what the user meets.
ERRORS: dict[str, tuple[Callable[..., None], type[BaseException]]] = {
    "exception": (raising(RuntimeError("disk full")), RuntimeError),
    "SystemExit": (raising(SystemExit(3)), SystemExit),
    "interrupt": (interrupt, KeyboardInterrupt),
}


@pytest.fixture
def interrupts_are_heard():
    """A shell starts what runs in its background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Fault(keras.callbacks.Callback):
    """Does something at the n-th call of a hook."""

    def __init__(self, hook: str, number: int, act: Callable[[], Any]) -> None:
        super().__init__()
        self.calls = 0
        self.number, self.act = number, act
        setattr(self, hook, self.count)

    def count(self, *args: Any, **kwargs: Any) -> None:
        self.calls += 1
        if self.calls == self.number:
            self.act()


def moments_of_fit(steps: int, epoch: int = 1) -> dict[str, tuple[str, int]]:
    """Return moments of a `fit` by name: a hook of its callbacks, and which call of it.

    Args:
        steps: Training steps of the whole `fit`.
        epoch: The epoch whose end is meant, from 1 on.
    """
    late = 2 * steps // 3
    return {
        "train begins": ("on_train_begin", 1),
        "first epoch begins": ("on_epoch_begin", 1),
        "first step begins": ("on_train_batch_begin", 1),
        "first step ends": ("on_train_batch_end", 1),
        "late step begins": ("on_train_batch_begin", late),
        "late step ends": ("on_train_batch_end", late),
        "last step ends": ("on_train_batch_end", steps),
        "validation": ("on_test_batch_end", 1),
        "epoch ends": ("on_epoch_end", epoch),
        "train ends": ("on_train_end", 1),
    }


class Faulty(layers.Layer):
    """Does something while it is traced or, in an eager model, at a training step.

    Attributes:
        act: What it does.
        calls_left: How many training steps pass before that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls_left, self.act = 10**6, None

    def call(self, x, training=False):
        if training:
            self.calls_left -= 1
            if self.calls_left < 0 and self.act is not None:
                self.act()
        return x


def outside_of_the_trace() -> AbstractContextManager[Any]:
    """Let what changes a variable while a step is traced happen at once, and not in each step."""
    if BACKEND != "tensorflow":
        return nullcontext()
    import tensorflow as tf

    return tf.init_scope()


def threads() -> set[threading.Thread]:
    """Return the threads that Python code has started, without those of Keras and TensorFlow.

    TensorFlow keeps its own for later. Keras calls some callbacks in a pool of threads, which a
    `fit` that raises leaves to the garbage collector.
    """
    return {
        each
        for each in threading.enumerate()
        if not isinstance(each, threading._DummyThread)
        and not each.name.startswith("ThreadPoolExecutor")
    }


def bytes_of(variables: list[Any]) -> list[bytes]:
    return [ops.convert_to_numpy(variable).tobytes() for variable in variables]


def state_of(model: keras.Model) -> dict[str, Any]:
    """Return all that has to come back: of the model, its optimizer, metrics and random state."""
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    numpy_random = np.random.get_state()
    generator = global_state.get_global_attribute("global_seed_generator")
    return {
        "variables": bytes_of([*model.variables, *model.optimizer.variables, *metrics]),
        "rate": id(get_learning_rate(model.optimizer)),
        "attributes": sorted(vars(model).keys() - LEFT_BY_VALIDATION),
        "python random": random.getstate(),
        "numpy random": (numpy_random[1].tobytes(), numpy_random[2:]),
        "keras random": bytes_of([] if generator is None else [generator.state]),
    }
