"""Faults of every kind at every moment of a `fit` with LRMonitor: it trains as it would without.

A fault or a moment joins by one line.
"""

import gc
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from lrwidget import LRMonitor
from lrwidget.core.model.values import numpy_of
from lrwidget.errors import LRWidgetError
from lrwidget.ui.monitor import monitor as drawing
from tests.core.faults import (
    BACKEND,
    ERRORS,
    Fault,
    Faulty,
    interrupts_are_heard,  # noqa: F401
    moments_of_fit,
    outside_of_the_trace,
    state_of,
    threads,
)

pytestmark = pytest.mark.usefixtures("interrupts_are_heard")

EPOCHS, BATCHES = 2, 4
STEPS = EPOCHS * BATCHES
X = np.random.default_rng(0).normal(size=(8 * BATCHES, 5)).astype("float32")
Y = X[:, :2].sum(axis=1, keepdims=True)


def make_model(**options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.2, seed=1), Faulty()]
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **options)
    fit(model)
    return model


def fit(model, *callbacks):
    keras.utils.set_random_seed(1)
    settings = {"batch_size": 8, "epochs": EPOCHS, "verbose": 0, "shuffle": False}
    model.fit(
        X, Y, callbacks=list(callbacks), validation_data=(X, Y), validation_freq=EPOCHS, **settings
    )


class Scene:
    """The same model twice: one trains with a monitor, one without."""

    def __init__(self, **options):
        self.watched, self.alone = make_model(**options), make_model(**options)
        self._start = [np.array(numpy_of(each)) for each in self._variables(self.alone)]
        self.monitor = LRMonitor()
        self.fit()
        self.losses, self.end = self.monitor.losses, trained(self.alone)

    def _variables(self, model):
        metrics = [variable for metric in model.metrics for variable in metric.variables]
        return [*model.variables, *model.optimizer.variables, *metrics]

    def start(self, monitor=None):
        """Let both models be what they were at first, to be trained with a new monitor."""
        self.monitor = monitor or LRMonitor()
        for model in (self.watched, self.alone):
            settle(model)
            for variable, value in zip(self._variables(model), self._start, strict=True):
                variable.assign(value.copy())  # JAX may use the memory of an array

    def fit(self, moment=None, act=None, first=True):
        """Train both; return what each raised, and how many steps each took."""
        ends = []
        for model, callbacks in ((self.alone, []), (self.watched, [self.monitor])):
            before = int(numpy_of(model.optimizer.iterations))
            callbacks = [*at(moment, model, lambda model=model: act(self, model)), *callbacks]
            error = raised_by(model, callbacks if first else callbacks[::-1])
            settle(model)
            ends.append((error, int(numpy_of(model.optimizer.iterations)) - before))
        return ends


def settle(model):
    """Get the values of a `fit` that was left back into the variables, and its fault out."""
    if BACKEND == "jax":
        model.jax_state_sync()
    layer_of(model).act = None


def layer_of(model):
    return next(layer for layer in model.layers if isinstance(layer, Faulty))


def raised_by(model, callbacks):
    try:
        fit(model, *callbacks)
    except BaseException as error:
        return type(error)
    return None


def at(moment, model, act):
    """Return the callbacks that do something at a moment of the coming `fit` of a model."""
    if moment is None:
        return []
    if MOMENTS.get(moment):
        return [Fault(*MOMENTS[moment], act)]
    layer = layer_of(model)

    def once():
        layer.act = None
        act()

    layer.act, layer.calls_left = once, 0 if moment == "tracing" else STEPS // 2
    if moment == "tracing":
        model.train_function = None
    return []


MOMENTS = {"tracing": (), **moments_of_fit(STEPS, EPOCHS)}


def spoil(scene, model):
    with outside_of_the_trace():
        model.layers[0].bias.assign([np.nan] * 3)


def start_again(scene, model):
    """Use the monitor in another `fit`, which is refused; without it, the other `fit` fails too."""
    other = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    other.compile("sgd", "mse")
    if model is scene.watched:
        with pytest.raises(LRWidgetError, match="another `fit` that is still running"):
            other.fit(X, Y, verbose=0, shuffle=False, callbacks=[scene.monitor])


def stop(scene, model):
    model.stop_training = True


FAULTS = {
    **{name: lambda scene, model, act=act: act() for name, (act, _) in ERRORS.items()},
    "NaN": spoil,
    "stop": stop,
    "double start": start_again,
    "garbage collection": lambda scene, model: gc.collect(),
}


@pytest.fixture(scope="module")
def scenes():
    """Return a function of scenes, one for each way to run a step."""
    kept = {}

    def scene_of(kind):
        if kind not in kept:
            kept[kind] = Scene(run_eagerly=kind == "eager")
        return kept[kind]

    return scene_of


CASES = [("compiled", moment) for moment in MOMENTS if (BACKEND, moment) != ("jax", "tracing")]
if BACKEND != "jax":  # there, Keras leaves a model whose step raised without its weights
    CASES.append(("eager", "in a step"))


ALL = [(fault, *case) for fault in FAULTS for case in CASES]


# On another backend than TensorFlow every fifth, with each fault and each moment among them.
@pytest.mark.parametrize(("fault", "kind", "moment"), ALL[:: 1 if BACKEND == "tensorflow" else 5])
def test_a_fit_with_a_fault_trains_as_without_a_monitor_which_keeps_its_steps(
    scenes, fault, kind, moment
):
    scene = scenes(kind)
    scene.start()
    threads_before = threads()
    fault_is_first = (list(FAULTS).index(fault) + CASES.index((kind, moment))) % 2 == 0
    alone, watched = scene.fit(moment, FAULTS[fault], fault_is_first)
    assert watched == alone
    assert trained(scene.watched) == trained(scene.alone)
    assert threads() <= threads_before
    error, steps = watched
    assert error == ERRORS.get(fault, (None, None))[1]
    monitor = scene.monitor
    losses = monitor.losses
    assert len(losses) == len(monitor.to_frame()) == steps
    unspoilt = steps if fault != "NaN" else int(np.isfinite(losses).sum())
    assert np.array_equal(losses[:unspoilt], scene.losses[:unspoilt])

    scene.start(monitor)
    assert raised_by(scene.watched, [monitor]) is None
    settle(scene.watched)
    assert trained(scene.watched) == scene.end
    assert np.array_equal(monitor.losses[steps:], scene.losses)


# The figure is drawn with every step but the first, and once more at the end.
DRAWINGS = {"figure is shown": 1, "first drawing": 2, "late drawing": 5, "last drawing": STEPS + 1}


@pytest.mark.parametrize("moment", DRAWINGS)
@pytest.mark.parametrize("fault", [*ERRORS, "garbage collection"])
def test_a_fault_in_a_drawing_loses_no_step_and_an_error_of_it_is_told_once(
    scenes, fault, moment, monkeypatch
):
    scene, drawn = scenes("compiled"), []

    def draw(_change=None):
        drawn.append(1)
        if len(drawn) == DRAWINGS[moment]:
            FAULTS[fault](scene, scene.watched)

    def display(view):
        draw()
        view.children[-1].marks[2].observe(draw, "x")  # as the front end does

    monkeypatch.setattr(drawing, "in_notebook", lambda: True)
    monkeypatch.setattr(drawing, "SECONDS_BETWEEN_DRAWINGS", 0.0)
    monkeypatch.setattr(drawing, "REST", 0.0)
    monkeypatch.setattr("IPython.display.display", display)
    scene.start()
    monitor = LRMonitor(live=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("always", "LRMonitor stopped drawing")
        error = raised_by(scene.watched, [monitor])
    settle(scene.watched)
    assert len(drawn) >= DRAWINGS[moment], "the fault never happened"
    messages = [str(each.message) for each in told]
    if fault == "exception":
        assert len(messages) == 1
        assert "stopped drawing this `fit`: RuntimeError: disk full" in messages[0]
        assert len(monitor.losses) == STEPS
    else:
        assert error == ERRORS.get(fault, (None, None))[1]
        assert not messages
    steps = len(monitor.losses)
    assert np.array_equal(monitor.losses, scene.losses[:steps])
    assert steps == int(numpy_of(scene.watched.optimizer.iterations)) - STEPS


def test_the_same_monitor_twice_in_one_fit_is_refused_before_a_step(scenes):
    scenes("compiled").start()
    model, monitor = scenes("compiled").watched, LRMonitor()
    before = state_of(model)
    with pytest.raises(LRWidgetError, match="the same LRMonitor 2 times"):
        fit(model, monitor, monitor)
    assert {**state_of(model), "attributes": None} == {**before, "attributes": None}
    fit(model, monitor)
    assert len(monitor.losses) == STEPS


def trained(model):
    """Return what training leaves on a model, in its history and in the random state."""
    ours = {"learning_rate", "step_lr", "step_loss"}
    history = {name: each for name, each in model.history.history.items() if name not in ours}
    return {**state_of(model), "rate": None, "history": repr(history)}
