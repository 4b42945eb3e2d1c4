"""Whatever happens in a range test, the model, the optimizer and the random state come back."""

import _thread
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import lrwidget
from lrwidget.core.model.learning_rate import get_learning_rate
from lrwidget.core.model.snapshot import Snapshot, state_variables
from tests.core.battery import MODELS, SAMPLES, batches, features, labels

STEPS = 12
WAYS_OUT: dict[str, Callable[[keras.Model, Any], None]] = {}


def way_out(function):
    WAYS_OUT[function.__name__] = function
    return function


@way_out
def finished(model, data):
    result = lrwidget.range_test(model, data, steps=STEPS, max_lr=1e-3)
    assert result.stop_reason == "finished"


@way_out
def repeated_with_the_same_seed(model, data):
    first, second = (
        lrwidget.range_test(model, data, steps=STEPS, max_lr=1e-3, seed=4) for _ in range(2)
    )
    np.testing.assert_array_equal(first.losses, second.losses)
    assert first.restored
    assert second.restored


@way_out
def blown_up(model, data):
    result = lrwidget.range_test(model, data, steps=60, min_lr=1e2, max_lr=1e38)
    assert result.stop_reason in ("diverged", "non_finite")


@way_out
def stopped(model, data):
    stop = threading.Event()
    result = lrwidget.range_test(
        model, data, steps=100_000, max_lr=1e-3, stop=stop, on_update=lambda _: stop.set()
    )
    assert result.stop_reason == "stopped"
    assert 0 < len(result.lrs) < 100_000


@way_out
def interrupted(model, data):
    with pytest.raises(KeyboardInterrupt):
        lrwidget.range_test(model, data, steps=STEPS, on_update=raiser(KeyboardInterrupt()))


@way_out
def interrupted_in_a_step(model, data):
    # Python drops an interrupt that meets a weak reference dying; then a person tries again.
    assert any(ended_by_an_interrupt(model, data) for _ in range(3))


def ended_by_an_interrupt(model: keras.Model, data: Any) -> bool:
    timer = threading.Timer(0.02, _thread.interrupt_main)

    def soon(_update: Any) -> None:
        if not timer.is_alive() and not timer.finished.is_set():
            timer.start()

    try:
        try:
            lrwidget.range_test(model, data, steps=20_000, max_lr=1e-3, on_update=soon)
        finally:
            # Whatever happened, no interrupt may meet a later test.
            timer.cancel()
            if timer.ident is not None:
                timer.join()
            time.sleep(0.01)
    except KeyboardInterrupt:
        return True
    return False


@way_out
def error_in_on_update(model, data):
    with pytest.raises(ZeroDivisionError):
        lrwidget.range_test(model, data, steps=STEPS, on_update=raiser(ZeroDivisionError()))


@way_out
def out_of_memory(model, data):
    with pytest.raises(MemoryError):
        lrwidget.range_test(model, data, steps=STEPS, on_update=raiser(MemoryError()))


@way_out
def two_sweeps(model, data):
    result = lrwidget.range_test(model, data, steps=STEPS, max_lr=1e-3, sweeps=2)
    assert result.sweep_losses.shape == (2, STEPS)


@way_out
def range_left_to_a_probe(model, data):
    result = lrwidget.range_test(model, data, steps=60)
    assert result.config.steps == 30
    assert result.config.max_lr > result.config.min_lr > 0
    assert result.restored


def raiser(error: BaseException) -> Callable[[Any], None]:
    def on_update(_update: Any) -> None:
        raise error

    return on_update


def state_of(model: keras.Model) -> dict[str, Any]:
    variables = [
        *model.variables,
        *model.optimizer.variables,
        *(variable for metric in model.metrics for variable in metric.variables),
    ]
    generator_state = np.random.get_state()
    return {
        **{
            f"{number} {variable.path}": variable.numpy().tobytes()
            for number, variable in enumerate(variables)
        },
        "learning rate": id(get_learning_rate(model.optimizer)),
        "python random": random.getstate(),
        "numpy random": (generator_state[1].tobytes(), generator_state[2:]),
        "attributes": sorted(vars(model)),
    }


def built(name: str) -> tuple[keras.Model, Any]:
    keras.utils.set_random_seed(7)
    return MODELS[name]()


def trained_on(model: keras.Model, data: Any) -> list[bytes]:
    if isinstance(data, tuple):
        arguments = dict(zip(("x", "y", "sample_weight"), data, strict=False))
        model.fit(**arguments, epochs=2, verbose=0)
    else:
        model.fit(data, epochs=2, verbose=0, shuffle=False)
    return [variable.numpy().tobytes() for variable in model.variables + model.optimizer.variables]


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """A shell starts what runs in its background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


DROPPED_INTERRUPT = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@DROPPED_INTERRUPT
@pytest.mark.parametrize("name", MODELS)
def test_every_way_out_leaves_no_trace_and_training_afterwards_equals_training_without(name):
    model, data = built(name)
    lrwidget.range_test(model, data, steps=2)  # builds what `fit` would build
    before = state_of(model)
    for way in WAYS_OUT.values():
        way(model, data)
        assert state_of(model) == before, way.__name__
    with_tests = trained_on(model, data)

    untouched, data = built(name)
    assert trained_on(untouched, data) == with_tests


@pytest.mark.parametrize("first", [None, KeyboardInterrupt()], ids=["late", "second"])
def test_an_interrupt_while_the_model_is_put_back_is_heard_when_it_is_back(first, monkeypatch):
    model, data = built("adam_on_arrays")
    lrwidget.range_test(model, data, steps=2)
    before = state_of(model)
    restore = Snapshot.restore

    def disturbed(self: Snapshot) -> None:
        signal.raise_signal(signal.SIGINT)
        restore(self)

    monkeypatch.setattr(Snapshot, "restore", disturbed)
    on_update = None if first is None else raiser(first)
    with pytest.raises(KeyboardInterrupt):
        lrwidget.range_test(model, data, steps=STEPS, on_update=on_update)
    assert state_of(model) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


TRACED_ANEW = ["adam_on_arrays", "built_with_a_schedule", "mixed_precision", "run_eagerly"]
ERRORS = [KeyboardInterrupt(), ValueError("bad layer"), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", TRACED_ANEW)
def test_an_error_while_the_step_is_traced_leaves_no_trace(name, error, monkeypatch):
    model, data = built(name)
    lrwidget.range_test(model, data, steps=2)
    before = state_of(model)

    def failing(batch: Any) -> Any:
        keras.Model.train_step(model, batch)
        np.random.random()
        raise error

    with monkeypatch.context() as patch:
        patch.setitem(vars(model), "train_step", failing)
        with pytest.raises(type(error)):
            lrwidget.range_test(model, data, steps=STEPS)
    assert state_of(model) == before
    finished(model, data)
    assert state_of(model) == before


@pytest.mark.parametrize("error", ERRORS[1:], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", TRACED_ANEW)
def test_an_error_in_the_data_leaves_no_trace(name, error):
    model, _ = built(name)
    lrwidget.range_test(model, batches(), steps=2)
    before = state_of(model)

    def failing() -> Any:
        for batch in batches().as_numpy_iterator():
            random.random()
            yield batch
        raise error

    with pytest.raises(type(error)):
        lrwidget.range_test(model, failing, max_lr=1e-3)
    assert state_of(model) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", TRACED_ANEW)
def test_a_loss_that_is_not_finite_leaves_no_trace(name, bad):
    model, _ = built(name)
    lrwidget.range_test(model, batches(), steps=2)
    before = state_of(model)
    weights = np.ones(SAMPLES, "float32")
    weights[30] = bad
    result = lrwidget.range_test(model, (features(), labels(), weights), max_lr=1e-3)
    assert result.stop_reason == "non_finite"
    assert result.restored
    assert state_of(model) == before


def test_the_proof_of_restoring_notices_a_single_changed_bit():
    model, data = built("adam_on_arrays")
    kept = Snapshot(state_variables(model))
    finished(model, data)
    assert kept.restored()
    kernel = model.layers[0].kernel
    kernel.assign(np.nextafter(kernel.numpy(), np.float32(9)))
    assert not kept.restored()
    kept.restore()
    assert kept.restored()
    np.random.random()
    assert not kept.restored()
