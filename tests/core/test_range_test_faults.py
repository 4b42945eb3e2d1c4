"""Faults of every kind at every moment of a range test: the model is bit-equal, the user told.

A fault or a moment joins by one line. A compiled model meets them in its data, where the user's
code runs between steps; an eager one in the steps themselves.
"""

import argparse
import gc
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.core.model.snapshot import Snapshot
from lrwidget.errors import BusyError
from tests.core.faults import (
    ERRORS,
    interrupts_are_heard,  # noqa: F401
    outside_of_the_trace,
    state_of,
    threads,
)

pytestmark = pytest.mark.usefixtures("interrupts_are_heard")

STEPS = 10
STEP_MOMENTS = {0: "first step", STEPS // 2: "late step", STEPS - 1: "last step"}
X = np.random.default_rng(0).normal(size=(8 * STEPS, 5)).astype("float32")
Y = X[:, :2].sum(axis=1, keepdims=True)

FAULTS = {
    **{name: lambda scene, act=act: act() for name, (act, _) in ERRORS.items()},
    "NaN": lambda scene: scene.spoil(),
    "stop": lambda scene: scene.stop.set(),
    "double start": lambda scene: scene.start_again(),
    "garbage collection": lambda scene: gc.collect(),
}
MOMENTS = (
    "before the snapshot",
    "tracing",
    "first step",
    "late step",
    "last step",
    "first update",
    "restore",
    "last update",
)
AT_THE_START = ("before the snapshot", "tracing")
AT_THE_END = ("restore", "last update")


class Scene:
    """One range test, and what goes wrong once during it."""

    def __init__(self, model, moment="", act=None):
        self.model, self.moment, self.act = model, moment, act
        self.stop = threading.Event()
        self.refused = []
        self.batches = self.steps = self.steps_at_first_update = 0
        self.spoils_batch = False

    def at(self, moment):
        if moment == self.moment and self.act is not None:
            act, self.act = self.act, None
            act(self)

    def at_step(self, number):
        self.at(STEP_MOMENTS.get(number, ""))

    def updated(self, update):
        self.steps_at_first_update = self.steps_at_first_update or update.step
        self.at("first update")
        if update.step == STEPS:
            self.at("last update")

    def spoil(self):
        """Make the loss NaN: of the next batch where it is read, else of all later steps."""
        if self.moment in STEP_MOMENTS.values() and not self.model.run_eagerly:
            self.spoils_batch = True
            return
        with outside_of_the_trace():
            self.model.poison[0].assign(np.nan)

    def start_again(self):
        try:
            lrwidget.range_test(self.model, (X, Y), steps=2)
        except BusyError as error:
            self.refused.append(error)

    def run(self):
        """Run the test; return its result, or what it raised."""
        STAGE.scene = self
        try:
            return lrwidget.range_test(
                self.model,
                Data(),
                steps=STEPS,
                min_lr=1e-7,
                max_lr=1e-3,
                stop_factor=None,
                on_update=self.updated,
                stop=self.stop,
            )
        except BaseException as error:
            return error
        finally:
            STAGE.scene = Scene(self.model)


# Of a kind that a range test does not look into when it asks whether a step has to be traced again.
STAGE = argparse.Namespace()


class Data(keras.utils.PyDataset):
    """Batches whose number is asked for before anything has changed."""

    def __len__(self):
        if threading.current_thread() is threading.main_thread():
            STAGE.scene.at("before the snapshot")
        return STEPS

    def __getitem__(self, index):
        scene = STAGE.scene
        if not scene.model.run_eagerly:
            scene.batches += 1
            scene.at_step(scene.batches - 1)
        factor, scene.spoils_batch = (np.nan if scene.spoils_batch else 1.0), False
        return factor * X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]


class Watched(keras.Sequential):
    """A model with Python code in its training step, and a loss that can be made NaN."""

    def train_step(self, data):
        scene = STAGE.scene
        if not self.run_eagerly:
            scene.at("tracing")
        elif not tf.inside_function():
            scene.steps += 1
            scene.at_step(scene.steps - 1)
        np.random.random()
        return super().train_step(data)

    def compute_loss(self, *args, **kwargs):
        return self.poison[0] * super().compute_loss(*args, **kwargs)


def make_model(**options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.2)]
    model = Watched([keras.Input((5,)), *hidden, layers.Dense(1)])
    model.poison = (tf.Variable(1.0),)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **options)
    STAGE.scene = Scene(model)
    model.fit(X, Y, batch_size=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def subject():
    """Return a function of models, each with the losses that every range test of it measures."""
    kept = {}

    def model_and_losses(kind):
        if kind not in kept:
            model = make_model(run_eagerly=kind == "eager")
            kept[kind] = model, Scene(model).run().losses
        return kept[kind]

    return model_and_losses


CASES = [("compiled", moment) for moment in MOMENTS]
CASES += [("eager", moment) for moment in STEP_MOMENTS.values()]


@pytest.mark.parametrize(("kind", "moment"), CASES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_no_trace_and_the_user_learns_of_it(
    subject, fault, kind, moment, monkeypatch
):
    model, losses = subject(kind)
    if moment == "tracing":
        model.traced_for = fault  # a step may read it
    scene = Scene(model, moment, FAULTS[fault])
    if moment == "restore":
        disturb_restoring(monkeypatch, scene)
    before, threads_before = state_of(model), threads()

    outcome = scene.run()

    assert scene.act is None, "the fault never happened"
    assert state_of(model) == before
    assert threads() <= threads_before
    assert ending_of(outcome) == expected_ending(fault, scene, outcome)
    assert bool(scene.refused) == (fault == "double start" and moment != "before the snapshot")
    assert getattr(outcome, "restored", True)

    model.poison[0].assign(1.0)
    again = Scene(model).run()
    assert again.restored
    assert np.array_equal(again.losses, losses)
    assert state_of(model) == before


def ending_of(outcome):
    """Return what a test raised, or why it ended and after how many steps."""
    if isinstance(outcome, BaseException):
        return type(outcome)
    return outcome.stop_reason, len(outcome.lrs)


def expected_ending(fault, scene, outcome):
    if fault in ERRORS:
        return ERRORS[fault][1]
    if fault == "NaN" and scene.moment not in AT_THE_END:
        numbers = {name: number for number, name in STEP_MOMENTS.items()}
        steps = {**numbers, "first update": scene.steps_at_first_update}.get(scene.moment, 0)
        return ("finished" if steps == STEPS else "non_finite"), steps
    if fault == "stop" and scene.moment in AT_THE_START:
        return "stopped", 0
    if fault == "stop" and scene.moment not in AT_THE_END and len(outcome.lrs) < STEPS:
        # A stop is looked at between groups of steps, which end by the clock.
        return "stopped", len(outcome.lrs)
    return "finished", STEPS


def disturb_restoring(monkeypatch, scene):
    restore = Snapshot.restore

    def restoring(snapshot):
        try:
            scene.at("restore")
        finally:
            restore(snapshot)

    monkeypatch.setattr(Snapshot, "restore", restoring)
