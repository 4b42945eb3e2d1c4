"""A small real model, data of a few kinds, and the widget's parts by their class."""

import html
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from ipywidgets import Widget

from lrwidget import LRFinderWidget
from lrwidget.ui.views.tree import descendants
from tests.quick_models import SharedModel

SAMPLES, FEATURES, CLASSES = 640, 8, 3


def new_model() -> keras.Model:
    """Return a compiled classifier that learns the data below in a moment."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def new_data() -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels that depend on them."""
    inputs = np.random.default_rng(0).normal(size=(SAMPLES, FEATURES)).astype("float32")
    return inputs, inputs[:, :CLASSES].argmax(axis=1)


def slow_batches(seconds: float = 0.02) -> Callable[[], Iterator[Any]]:
    """Return a generator function of batches, each of which takes its time."""
    inputs, labels = new_data()

    def batches() -> Iterator[Any]:
        for start in range(0, SAMPLES, 32):
            time.sleep(seconds)
            yield inputs[start : start + 32], labels[start : start + 32]

    return batches


def failing_batches() -> Iterator[Any]:
    """Give a few batches, then fail as a user's data does."""
    inputs, labels = new_data()
    for _ in range(20):
        time.sleep(0.01)
        yield inputs[:32], labels[:32]
    raise RuntimeError("row 17 of shard 3 has no label")


def part(widget: Widget, name: str) -> Any:
    """Return the one part of a widget with the class "lrw-" and `name`."""
    (found,) = [each for each in descendants(widget) if f"lrw-{name}" in classes_of(each)]
    return found


def classes_of(widget: Widget) -> tuple[str, ...]:
    """Return the CSS classes of a part; scales, marks and axes have none."""
    return tuple(getattr(widget, "_dom_classes", ()))


def code_on_show(widget: Widget) -> str:
    """Return the code as a person reads it on the widget, "" where there is none."""
    blocks = re.findall(r"<pre>(.*?)</pre>", part(widget, "code").value, re.DOTALL)
    return html.unescape("".join(blocks))


def line_points(widget: Widget) -> list[int]:
    """Return how many points the raw and the smoothed curve have on the plot."""
    marks = marks_of(widget)
    return [len(marks.raw.x), len(marks.smoothed.x)]


def marks_of(widget: Widget) -> Any:
    """Return the plot's marks by name."""
    return part(widget, "stage").marks


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until a condition holds, and fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def worker_threads() -> list[threading.Thread]:
    """Return the worker threads of all widgets that are still alive."""
    return [each for each in threading.enumerate() if each.name == "lrwidget range test"]


class Interrupts:
    """Presses the interrupt button of the kernel: a real signal to Python's main thread."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def now(self) -> None:
        """Send the signal from whichever thread this is."""
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def once(self, condition: Callable[[], bool]) -> None:
        """Send the signal as soon as a condition holds."""

        def watch() -> None:
            wait_for(condition)
            self.now()

        self.threads.append(threading.Thread(target=watch, daemon=True))
        self.threads[-1].start()


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Return what sends interrupts, with Python's own handler for them."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    made = Interrupts()
    yield made
    for thread in made.threads:
        thread.join()
    signal.signal(signal.SIGINT, handler)


def built_model() -> keras.Model:
    """Return a new model of which a range test builds no part, so that it can be lent again."""
    model = new_model()
    model(new_data()[0])
    model.optimizer.build(model.trainable_variables)
    return model


SHARED = SharedModel(built_model, settled=lambda: not worker_threads())


@pytest.fixture
def model() -> Iterator[keras.Model]:
    """Lend a model with a built optimizer. Tests that leave it unchanged share it."""
    with SHARED.lent() as lent:
        yield lent


@pytest.fixture
def make(model: keras.Model) -> Iterator[Callable[..., LRFinderWidget]]:
    """Return a function that makes a widget over `model`; all are closed at the end."""
    made: list[LRFinderWidget] = []

    def make_widget(data: Any = None, **options: Any) -> LRFinderWidget:
        options = {"seed": 0, "steps": 60, "min_lr": 1e-5, "max_lr": 10.0, **options}
        made.append(LRFinderWidget(model, new_data() if data is None else data, **options))
        return made[-1]

    yield make_widget
    for widget in made:
        widget.close()


@pytest.fixture
def finished(make: Callable[..., LRFinderWidget]) -> LRFinderWidget:
    """Return a widget whose test has ended."""
    widget = make()
    widget.run(block=True)
    return widget
