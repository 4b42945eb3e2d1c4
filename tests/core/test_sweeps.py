"""Sweeps on an engine with known losses: stop, restore and validation without training."""

import threading

import numpy as np
import pytest

from lrwidget.core.engine.borrowed import Training
from lrwidget.core.model.snapshot import Snapshot
from lrwidget.core.range_test.growing_curve import SweepCurve
from lrwidget.core.range_test.settings import RangeTestConfig
from lrwidget.core.range_test.sweeps import Sweeps
from tests.core.fake_engine import FakeBatches, FakeEngine

CONFIG = RangeTestConfig(min_lr=1e-4, max_lr=1.0, steps=61)


def valley(lr, done):
    return 2.0 - min(done, 1.0) + 4 * lr**2


def sweeps_of(engine, stop=None):
    return Sweeps(Training(engine, Snapshot([engine.weight])), stop)


def one_sweep(engine, config=CONFIG, **settings):
    return sweeps_of(engine).run(SweepCurve(config), FakeBatches(), **settings)


def test_the_curve_does_not_depend_on_how_many_steps_a_group_takes():
    curves = [one_sweep(FakeEngine(valley, steps_per_group=n)) for n in (1, 7, 1000)]
    for curve in curves[1:]:
        np.testing.assert_array_equal(curve.losses, curves[0].losses)


def test_every_sweep_starts_where_the_first_started():
    engine = FakeEngine(valley)
    sweeps = sweeps_of(engine)
    first, second = (sweeps.run(SweepCurve(CONFIG, k), FakeBatches()) for k in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)


def test_a_stop_ends_the_sweep_after_the_group_that_is_running():
    stop = threading.Event()
    sweeps = sweeps_of(FakeEngine(valley, steps_per_group=5), stop)
    curve = sweeps.run(SweepCurve(CONFIG), FakeBatches(), on_update=lambda _: stop.set())
    assert (curve.stop_reason, curve.count) == ("stopped", 5)


def test_a_loss_that_is_not_finite_ends_the_curve_just_before_it():
    curve = one_sweep(FakeEngine(lambda lr, done: np.nan if lr > 0.1 else 1.0))
    assert curve.stop_reason == "non_finite"
    assert curve.lrs[-1] <= 0.1 < CONFIG.ladder()[curve.count]


def test_a_loss_that_explodes_ends_the_curve():
    curve = one_sweep(FakeEngine(lambda lr, done: 2.0 - min(done, 1.0) + 1e3 * lr**2))
    assert curve.stop_reason == "diverged"
    assert curve.count < CONFIG.steps


def test_the_last_step_of_a_sweep_is_validated():
    curve = one_sweep(FakeEngine(lambda lr, done: 1.0), validation=[object()])
    validated = np.flatnonzero(np.isfinite(curve.validation()))
    assert validated[-1] == CONFIG.steps - 1
    assert 15 <= len(validated) <= 25


def test_an_error_in_an_update_closes_the_data_and_the_engine():
    engine, batches = FakeEngine(valley), FakeBatches()

    def fail(_update):
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        sweeps_of(engine).run(SweepCurve(CONFIG), batches, on_update=fail)
    assert batches.is_closed
    assert not engine.is_running


def test_updates_tell_the_steps_of_each_group():
    counts = []
    flat = FakeEngine(lambda lr, done: 1.0, steps_per_group=25)
    one_sweep(flat, on_update=lambda update: counts.append(update.step))
    assert counts == [25, 50, 61]
