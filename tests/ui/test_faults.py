"""Faults of every kind at every phase of a test: model bit-equal, widget usable, the user told."""

import argparse
import gc
import threading
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from lrwidget import LRFinderWidget
from lrwidget.core.curve.rules import register_rule, unregister_rule
from lrwidget.core.model.snapshot import Snapshot
from lrwidget.errors import BusyError, LRWidgetError
from tests.ui.conftest import new_data, part, wait_for, worker_threads
from tests.ui.test_run import assert_unchanged, values

STEPS = 10  # the fewest that rules are asked about
ENDS = ("finished", "diverged", "non_finite", "stopped", "failed")


# Of a kind that a range test does not look into when it asks whether a step has to be traced again.
STAGE = argparse.Namespace(campaign=None)


def at(phase):
    """Report a phase to the campaign that runs, if any."""
    if STAGE.campaign is not None:
        STAGE.campaign.at(phase)


class Faulty(keras.Sequential):
    """A model that reports its phases and whose loss is NaN once it is poisoned."""

    poisoned = False
    steps_done = 0

    def train_step(self, data):
        if tf.inside_function():  # traced once, to learn which variables a step touches
            return super().train_step(data)
        step = self.steps_done
        Faulty.steps_done += 1
        named = {0: "first step", STEPS // 2: "late step", STEPS - 1: "last step"}
        if step == 0:
            at("tracing")
        if step in named:
            at(named[step])
        logs = super().train_step(data)
        return {**logs, "loss": logs["loss"] * np.nan} if self.poisoned else logs


class Data(keras.utils.PyDataset):
    """Batches whose number is asked for before anything has changed."""

    def __init__(self):
        super().__init__()
        self.inputs, self.labels = new_data()

    def __len__(self):
        if threading.current_thread() is threading.main_thread():
            at("before the snapshot")
        return 20

    def __getitem__(self, index):
        return self.inputs[:8], self.labels[:8]


PHASES = (
    "before the snapshot",
    "tracing",
    "first step",
    "late step",
    "last step",
    "restore",
    "rules",
    "final redraw",
)


class Campaign:
    """A widget, one fault at one phase, and what came of it."""

    def __init__(self, widget, phase, monkeypatch, interrupts):
        self.widget, self.model = widget, widget._model
        self.before = values(self.model)
        self.phase, self.interrupts = phase, interrupts
        self.fault = None
        self.refused = []
        monkeypatch.setattr(STAGE, "campaign", self)
        monkeypatch.setattr(Faulty, "steps_done", 0)
        monkeypatch.setattr(Faulty, "poisoned", False)
        restore = Snapshot.restore

        def restoring(snapshot, *args, **options):
            try:
                self.at("restore")
            finally:
                restore(snapshot, *args, **options)

        monkeypatch.setattr(Snapshot, "restore", restoring)
        # As a view does, which the state calls in the last redraw.
        widget._state.observe(self._redrawn, "result")

    def _redrawn(self, change):
        if change.new is not None:
            self.at("final redraw")

    def at(self, phase):
        """Do what is wrong, once."""
        if phase == self.phase and self.fault is not None:
            fault, self.fault = self.fault, None
            fault()

    def exception(self):
        raise RuntimeError("disk full")

    def system_exit(self):
        raise SystemExit(3)

    def interrupt(self):
        self.interrupts.now()

    def nan(self):
        Faulty.poisoned = True

    def stop(self):
        self.widget.stop()

    def double_start(self):
        try:
            self.widget.run()
        except BusyError as error:
            self.refused.append(error)

    def close(self):
        self.widget.close()

    def garbage_collection(self):
        gc.collect()
        self.widget.__del__()

    def run(self, fault):
        """Run the test with the fault; return what it raised."""
        self.fault = getattr(self, fault)
        register_rule("asked", lambda lrs, losses: self.at("rules"))
        try:
            self.widget.run(block=True)
        except BaseException as error:
            return error
        finally:
            unregister_rule("asked")
        return None


@pytest.fixture(scope="module")
def widgets():
    """Widgets over one model, the last of them open: each fault has to leave it usable."""
    keras.utils.set_random_seed(0)
    model = Faulty([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    made = []

    def an_open_one():
        if not made or made[-1].comm is None:
            made.append(
                LRFinderWidget(model, Data(), steps=STEPS, min_lr=1e-6, max_lr=1e-4, seed=0)
            )
        return made[-1]

    yield an_open_one
    made[-1].close()


FAULTS = (
    "exception",
    "system_exit",
    "interrupt",
    "nan",
    "stop",
    "double_start",
    "close",
    "garbage_collection",
)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_leaves_no_trace_and_a_usable_widget(widgets, fault, phase, monkeypatch, interrupts):
    campaign = Campaign(widgets(), phase, monkeypatch, interrupts)
    widget, model = campaign.widget, campaign.model
    error = campaign.run(fault)
    wait_for(lambda: not (widget.status in ("running", "stopping") or worker_threads()))
    assert campaign.fault is None, "the fault never happened"
    assert_unchanged(model, campaign.before)
    assert widget.status in ENDS
    assert not worker_threads()
    # In the last redraw the test is over, and the next one may start.
    assert len(campaign.refused) == (fault == "double_start" and phase != "final redraw")
    assert_user_was_told(widget, fault, error)
    model.train_on_batch(*Data()[0])
    if fault in ("close", "garbage_collection"):
        with pytest.raises(LRWidgetError, match="closed"):
            widget.run()
        return
    Faulty.poisoned = False
    Faulty.steps_done = 0
    widget.run(block=True)
    assert widget.status == "finished"
    assert len(widget.result.lrs) == STEPS
    assert widget.error is None


def assert_user_was_told(widget, fault, error):
    said = part(widget, "status").value
    if fault in ("exception", "system_exit"):
        assert widget.status == "failed"
        assert widget.error is error
        begins = {"exception": "RuntimeError: disk full", "system_exit": "SystemExit: 3"}
        assert said.startswith(begins[fault])
        assert said == begins[fault] or said.endswith("Your model is unchanged.")
    elif fault == "interrupt":
        assert isinstance(error, KeyboardInterrupt)
        assert "unchanged" in said
    elif fault in ("close", "garbage_collection"):
        assert error is None or isinstance(error, LRWidgetError)
    else:
        assert error is None
        assert "unchanged" in said
    if fault == "nan" and widget.status != "finished":
        assert widget.status == "non_finite"
        assert "NaN or infinite" in said


def test_closed_widget_lets_go_of_model_and_data_while_it_is_kept():
    kept, gone = lived()
    gc.collect()
    assert [each() for each in gone] == [None, None]
    assert len(kept.result.lrs) == STEPS


def test_deleted_widget_frees_model_data_and_itself():
    widget, gone = lived()
    gone.append(weakref.ref(widget))
    del widget
    gc.collect()
    assert [each() for each in gone] == [None, None, None]


def lived():
    """Return a closed widget that has run, picked and applied, and references to what it had."""
    inputs, labels = new_data()
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    widget = LRFinderWidget(model, (inputs, labels), steps=STEPS, min_lr=1e-6, max_lr=1e-4)
    widget.run(block=True)
    widget.pick(1e-5)
    widget.apply()
    widget.close()
    wait_for(lambda: not worker_threads())
    return widget, [weakref.ref(model), weakref.ref(inputs)]
