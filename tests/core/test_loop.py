"""The range test of training loops that are not Keras'."""

import copy
import random
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from lrwidget import range_test, range_test_loop
from lrwidget.core.range_test.loop_state import fingerprint
from lrwidget.errors import ConfigError, LRWidgetError

IMAGES, DIGITS = load_digits(return_X_y=True)


class Network:
    """A softmax regression in NumPy with momentum, which trains its arrays in place."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.weights = 0.01 * rng.normal(size=(64, 10))
        self.velocity = np.zeros((64, 10))
        self.rng = np.random.default_rng(1)
        self.calls = 0

    def step(self, lr):
        self.calls += 1
        rows = self.rng.integers(0, len(IMAGES), 32)
        x, y = IMAGES[rows] / 16, DIGITS[rows]
        logits = x @ self.weights
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        loss = -np.log(odds[np.arange(32), y] + 1e-12).mean()
        odds[np.arange(32), y] -= 1
        self.velocity *= 0.9
        self.velocity -= lr * (x.T @ odds) / 32
        self.weights += self.velocity
        return loss

    def get(self):
        return {
            "weights": [self.weights, self.velocity],
            "random": self.rng.bit_generator.state,
        }

    def set(self, state):
        self.weights, self.velocity = state["weights"]
        self.rng.bit_generator.state = state["random"]

    def run(self, **settings):
        settings = {
            "min_lr": 1e-4,
            "max_lr": 100.0,
            "optimizer": "momentum",
            "get_state": self.get,
            "set_state": self.set,
            **settings,
        }
        return range_test_loop(self.step, **settings)


@pytest.fixture
def network():
    return Network()


def test_the_curve_falls_and_rises_and_gives_a_suggestion(network):
    result = network.run()
    assert result.stop_reason == "diverged"
    assert result.optimizer == "momentum"
    suggestion = result.suggest()
    assert suggestion.reliable
    assert 1e-3 < suggestion.lr < 1.0


def test_training_after_the_test_is_training_without_it(network):
    other = Network()
    before = copy.deepcopy(network.get())
    result = network.run(sweeps=2)
    assert result.restored
    assert fingerprint(network.get()) == fingerprint(before)
    assert [network.step(0.1) for _ in range(5)] == [other.step(0.1) for _ in range(5)]


def test_sweeps_begin_at_the_same_start(network):
    result = network.run(sweeps=3, stop_factor=None, max_lr=0.1, steps=20)
    assert result.sweep_losses.shape == (3, 20)
    # The state holds the random generator, so each sweep sees the same batches.
    np.testing.assert_array_equal(result.sweep_losses[0], result.sweep_losses[2])


def test_a_range_that_is_left_to_the_probe_is_found(network):
    result = network.run(min_lr=None, max_lr=None)
    assert result.config.min_lr > 1e-8
    assert result.restored
    assert result.suggest().reliable


def test_a_loop_over_a_keras_model_measures_what_range_test_measures():
    x, y = (IMAGES[:640] / 16).astype("float32"), DIGITS[:640]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 640, 32)]
    settings = {"min_lr": 1e-3, "max_lr": 1e3, "steps": 60}
    own = range_test(model, lambda: iter(batches), **settings)
    done = iter(batches * 3)

    def step(lr):
        model.optimizer.learning_rate.assign(lr)
        model.reset_metrics()
        return model.train_on_batch(*next(done))

    weights = model.get_weights()
    looped = range_test_loop(
        step,
        **settings,
        optimizer="sgd",
        get_state=model.get_weights,
        set_state=model.set_weights,
    )
    assert looped.stop_reason == own.stop_reason == "diverged"
    assert looped.optimizer == own.optimizer
    np.testing.assert_allclose(looped.losses, own.losses, rtol=1e-3)
    assert all(map(np.array_equal, weights, model.get_weights()))


def test_without_state_functions_nothing_is_restored_and_the_result_says_so(network):
    before = network.weights.copy()
    result = network.run(get_state=None, set_state=None)
    assert result.restored is None
    assert not np.array_equal(network.weights, before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_the_state_is_restored_when_a_step_raises(network, error):
    before = fingerprint(network.get())

    def step(lr):
        if network.calls == 30:
            raise error("from the loop")
        return network.step(lr)

    with pytest.raises(error, match="from the loop"):
        range_test_loop(step, min_lr=1e-4, max_lr=1.0, get_state=network.get, set_state=network.set)
    assert network.calls == 30
    assert fingerprint(network.get()) == before


def test_the_state_is_restored_when_an_observer_raises(network):
    before = fingerprint(network.get())

    def on_update(update):
        raise RuntimeError("from the observer")

    with pytest.raises(RuntimeError, match="from the observer"):
        network.run(on_update=on_update)
    assert fingerprint(network.get()) == before


def test_a_probe_takes_thirty_of_the_steps_and_few_steps_have_none(network):
    result = network.run(min_lr=None, max_lr=None, steps=70, stop_factor=None)
    assert (len(result.lrs), network.calls, result.notes) == (40, 70, ())
    few = network.run(min_lr=None, max_lr=None, steps=40, stop_factor=None)
    assert (few.lrs[0], few.lrs[-1], len(few.lrs)) == (1e-7, 10.0, 40)
    assert "fewer than 60 steps has no probe" in few.notes[0]


def test_an_interrupt_while_the_state_is_restored_waits_until_that_is_done(network):
    before = fingerprint(network.get())

    def set_state(state):
        signal.raise_signal(signal.SIGINT)
        network.set(state)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            network.run(set_state=set_state)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert fingerprint(network.get()) == before


def test_a_state_that_comes_back_changed_is_not_called_restored(network):
    result = network.run(set_state=lambda state: None)
    assert result.restored is not None
    assert not result.restored
    assert "not restored" in result.notes[0]


def test_a_stop_flag_ends_the_test(network):
    stop = threading.Event()

    def step(lr):
        if network.calls == 20:
            stop.set()
        return network.step(lr)

    result = range_test_loop(step, min_lr=1e-5, max_lr=1e-2, stop=stop)
    assert result.stop_reason == "stopped"
    assert len(result.lrs) == 21


def test_a_loss_that_is_not_finite_ends_the_curve_before_it(network):
    result = range_test_loop(
        lambda lr: np.nan if lr > 1e-3 else network.step(lr), min_lr=1e-5, max_lr=1.0
    )
    assert result.stop_reason == "non_finite"
    assert result.lrs[-1] <= 1e-3


def test_a_first_loss_that_is_not_finite_is_not_blamed_on_the_learning_rate():
    result = range_test_loop(lambda _lr: np.nan, min_lr=1e-5, max_lr=1.0)
    found = result.suggest()
    assert found.codes == ("bad_loss",)
    assert "the first loss is NaN or infinite, before any update." in found.reason


def test_a_loss_that_becomes_nan_before_it_rose_is_no_reason_for_a_wider_range():
    losses = iter([2.3 + 0.01 * (-1) ** k for k in range(16)] + [np.nan])
    found = range_test_loop(lambda _lr: next(losses), min_lr=1e-5, max_lr=1.0).suggest()
    assert found.codes == ("ends_in_nan",)
    assert "Look at the data of that step." in found.reason


def test_updates_come_about_ten_times_a_second_and_at_the_end(network):
    updates = []

    def step(lr):
        time.sleep(0.01)
        return network.step(lr)

    result = range_test_loop(step, min_lr=1e-5, max_lr=1e-2, steps=60, on_update=updates.append)
    assert 3 <= len(updates) <= 8
    assert updates[-1].step == 60
    np.testing.assert_array_equal(updates[-1].losses, result.losses)


@pytest.mark.parametrize("given", ["get_state", "set_state"])
def test_one_state_function_alone_is_refused_before_a_step(network, given):
    with pytest.raises(ConfigError, match=f"got only {given}"):
        range_test_loop(network.step, min_lr=1e-4, max_lr=1.0, **{given: lambda *_: None})
    assert network.calls == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sweeps": 2}, "needed for several sweeps"),
        ({"min_lr": None}, "needed for a probe"),
        ({"min_lr": 2.0}, "`min_lr` must be below `max_lr`"),
        ({"steps": 1}, "steps=1"),
        ({"mode": "cubic"}, "mode='cubic'"),
        ({"optimizer": "adam"}, "optimizer='adam'"),
        ({"on_update": 3}, "on_update=3"),
        ({"stop": 3}, "stop.is_set"),
        ({"get_state": 3, "set_state": 4}, "get_state=3"),
        ({"get_state": dict, "set_state": 4}, "set_state=4"),
        ({"get_state": lambda: [object()], "set_state": print}, r"get_state\(\)\[0\]=<object"),
        ({"get_state": lambda: {"a": {1}}, "set_state": print}, r"get_state\(\)\['a'\]=\{1\}"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_before_a_step(network, settings, message):
    with pytest.raises(LRWidgetError, match=message):
        range_test_loop(network.step, **{"min_lr": 1e-4, "max_lr": 1.0, **settings})
    assert network.calls == 0


def test_a_step_that_is_no_function_is_named():
    with pytest.raises(ConfigError, match="`step` must be a function of a learning rate"):
        range_test_loop(None, min_lr=1e-4, max_lr=1.0)


def test_a_step_that_returns_no_number_is_named_and_the_state_restored(network):
    before = fingerprint(network.get())

    def step(lr):
        network.step(lr)

    with pytest.raises(ConfigError, match=r"`step\(lr\)` must be a number; got step\(lr\)=None"):
        range_test_loop(step, min_lr=1e-4, max_lr=1.0, get_state=network.get, set_state=network.set)
    assert fingerprint(network.get()) == before


STATES = [
    None,
    0,
    0.0,
    False,
    "0",
    b"0",
    [],
    {},
    [0],
    [[0]],
    {0: 0},
    {"0": 0},
    np.zeros(2),
    np.zeros(2, np.float32),
    np.zeros((2, 1)),
    np.array([0.0, -0.0]),
    np.array(["a"]),
    [np.zeros(1), np.zeros(1)],
    random.Random(0).getstate(),
    np.random.default_rng(0).bit_generator.state,
    float("nan"),
]


def test_states_that_differ_have_different_fingerprints_and_copies_have_the_same():
    assert len({fingerprint(state) for state in STATES}) == len(STATES)
    for state in STATES:
        assert fingerprint(copy.deepcopy(state)) == fingerprint(state)


def test_a_loop_in_numpy_loads_no_keras_and_no_backend(tmp_path):
    code = """
import sys
import numpy as np
import lrwidget

weight = np.array([4.0])

def step(lr):
    loss = float(weight[0] ** 2)
    weight[0] -= lr * 2 * weight[0]
    return loss

result = lrwidget.range_test_loop(
    step, min_lr=None, max_lr=None, optimizer="sgd",
    get_state=lambda: weight, set_state=lambda state: np.copyto(weight, state),
)
assert result.restored and result.suggest().lr and lrwidget.suggest_bounds(result).high
result.save(sys.argv[1])
lrwidget.RangeTestResult.load(sys.argv[1])
lrwidget.RangeTestResult.from_losses(result.lrs, result.losses)
lrwidget.register_rule("mine", lambda lrs, losses: lrs[0])
names = {name.partition(".")[0] for name in sys.modules}
print(names & {"keras", "tensorflow", "jax", "torch", "ipywidgets", "bqplot", "matplotlib"})
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "result.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
