"""OneCycleMomentum is seen by the compiled step, and gone when fit is over, however it ends.

All of it is read off the change of a weight whose gradient is 1, never off an attribute.
"""

import keras
import numpy as np
import pytest
from keras import layers

from lrwidget.errors import LRWidgetError
from lrwidget.schedules import OneCycle, OneCycleMomentum

STEPS = 12


def unit_gradient_model(optimizer, **options):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[0.0]])
    model.compile(optimizer, loss=lambda y, predicted: predicted, **options)
    return model


class Weights(keras.callbacks.Callback):
    """Notes the weight after every call of the train function."""

    def on_train_begin(self, logs=None):
        self.seen = [weight(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(weight(self.model))


def weight(model):
    return float(model.layers[0].kernel.numpy()[0, 0])


def changes(model, steps, *callbacks):
    """Train so many steps; return the change of the weight in each call."""
    weights = Weights()
    x = np.ones((steps, 1))
    model.fit(x, x, batch_size=1, verbose=0, shuffle=False, callbacks=[*callbacks, weights])
    return np.diff(weights.seen)


def sgd(momenta, velocity=0.0):
    found = []
    for momentum in momenta:
        velocity = momentum * velocity - 1.0
        found.append(velocity)
    return found


def nesterov(momenta):
    return [m * v - 1.0 for m, v in zip(momenta, sgd(momenta), strict=True)]


def rmsprop(momenta):
    square, velocity, found = 0.0, 0.0, []
    for momentum in momenta:
        square = 0.9 * square + 0.1
        velocity = momentum * velocity + 1.0 / np.sqrt(square)
        found.append(-velocity)
    return found


def adam(momenta):
    mean, found = 0.0, []
    for step, beta in enumerate(momenta, start=1):
        mean += (1.0 - mean) * (1.0 - beta)
        found.append(-mean / (1.0 - beta**step))
    return found


OPTIMIZERS = {
    "SGD": (lambda: keras.optimizers.SGD(1.0, momentum=0.5), sgd),
    "Nesterov": (lambda: keras.optimizers.SGD(1.0, momentum=0.5, nesterov=True), nesterov),
    "RMSprop": (lambda: keras.optimizers.RMSprop(1.0, momentum=0.5), rmsprop),
    "Adam": (lambda: keras.optimizers.Adam(1.0), adam),
    "loss scale": (
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1.0)),
        adam,
    ),
}
each_optimizer = pytest.mark.parametrize(("make", "rule"), OPTIMIZERS.values(), ids=OPTIMIZERS)
MODES = {"graph": {}, "XLA": {"jit_compile": True}, "eager": {"run_eagerly": True}}


def cycled(steps=range(STEPS)):
    return np.asarray(OneCycleMomentum(STEPS).momentum(np.array(steps)), dtype=np.float64)


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
@each_optimizer
def test_every_step_is_made_with_the_momentum_of_the_curve(make, rule, options):
    model = unit_gradient_model(make(), **options)
    found = changes(model, STEPS, OneCycleMomentum(STEPS))
    assert found == pytest.approx(rule(cycled()), rel=1e-4)
    assert rule(cycled()) != pytest.approx(rule([0.9] * STEPS), rel=1e-2)


@each_optimizer
def test_a_model_trained_before_gets_the_cycle_and_its_own_momentum_back(make, rule):
    model, never_cycled = unit_gradient_model(make()), unit_gradient_model(make())
    own = [changes(each, 2) for each in (model, never_cycled)]
    assert own[0] == pytest.approx(own[1])
    during = changes(model, 3, OneCycleMomentum(STEPS))
    assert during != pytest.approx(changes(never_cycled, 3), rel=1e-3)
    for each in (model, never_cycled):
        for variable in each.optimizer.variables:
            if "momentum" in variable.path:
                variable.assign(keras.ops.full_like(variable, -3.0))
    assert changes(model, 2) == pytest.approx(changes(never_cycled, 2), rel=1e-5)


def test_train_on_batch_after_a_fit_has_the_own_momentum():
    model = unit_gradient_model(keras.optimizers.SGD(1.0, momentum=0.5))
    changes(model, 3, OneCycleMomentum(STEPS))
    velocity = float(model.optimizer.variables[-1].numpy().squeeze())
    before = weight(model)
    model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    assert weight(model) - before == pytest.approx(0.5 * velocity - 1.0)


def test_several_steps_a_call_have_each_their_own_momentum():
    model = unit_gradient_model(keras.optimizers.SGD(1.0, momentum=0.5), steps_per_execution=4)
    found = changes(model, STEPS, OneCycleMomentum(STEPS))
    assert found == pytest.approx(np.reshape(sgd(cycled()), (3, 4)).sum(axis=1), rel=1e-4)


def test_a_second_fit_goes_on_in_the_cycle_and_stays_at_its_end():
    model = unit_gradient_model(keras.optimizers.SGD(1.0, momentum=0.5))
    callback = OneCycleMomentum(STEPS)
    found = np.concatenate([changes(model, steps, callback) for steps in (5, 5, 8)])
    assert found == pytest.approx(sgd(cycled(range(18))), rel=1e-4)
    assert cycled([STEPS, 17]) == pytest.approx([0.95, 0.95])


class Interruption(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt


def failing_data():
    for _ in range(3):
        yield np.ones((1, 1)), np.ones((1, 1))
    raise RuntimeError("no more data")


def interrupted(model):
    with pytest.raises(KeyboardInterrupt):
        changes(model, STEPS, OneCycleMomentum(STEPS), Interruption())


def out_of_data(model):
    with pytest.raises(Exception, match="no more data"):
        model.fit(failing_data(), shuffle=False, verbose=0, callbacks=[OneCycleMomentum(STEPS)])


@pytest.mark.parametrize("trained_before", [False, True])
@pytest.mark.parametrize("leave", [interrupted, out_of_data])
def test_after_a_fit_that_was_left_early_the_next_one_has_its_own_momentum(leave, trained_before):
    model = unit_gradient_model(keras.optimizers.SGD(1.0, momentum=0.5))
    if trained_before:
        changes(model, 2)
    leave(model)
    velocity = float(model.optimizer.variables[-1].numpy().squeeze())
    assert model.optimizer.momentum == 0.5
    assert changes(model, 3) == pytest.approx(sgd([0.5] * 3, velocity), rel=1e-5)


def test_a_model_saved_in_the_middle_of_a_fit_has_its_own_momentum(tmp_path):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), "mse")
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")
    variables = [variable.path for variable in model.optimizer.variables]
    x = np.ones((4, 1))
    model.fit(x, x, verbose=0, callbacks=[OneCycleMomentum(STEPS), checkpoint])
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.momentum == 0.5
    assert len(model.optimizer.variables) == len(variables) + 2


def test_against_a_schedule_the_momentum_is_lowest_where_the_rate_is_highest():
    schedule = OneCycle(0.1, 50, warmup_fraction=0.3, anneal="linear")
    callback = OneCycleMomentum.against(schedule, max_momentum=0.9, min_momentum=0.7)
    steps = np.arange(80)
    rates, momenta = np.asarray(schedule(steps)), np.asarray(callback.momentum(steps))
    assert np.argmax(rates) == np.argmin(momenta) == 15
    assert [momenta[0], momenta[15], momenta[50], momenta[79]] == pytest.approx(
        [0.9, 0.7, 0.9, 0.9]
    )


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (keras.optimizers.SGD, "SGD was made with momentum=0.0.*momentum=0.9"),
        (keras.optimizers.RMSprop, "RMSprop was made with momentum=0.0"),
        (keras.optimizers.Adagrad, "Adagrad has neither"),
    ],
)
def test_an_optimizer_without_momentum_is_refused_before_a_step(optimizer, message):
    model = unit_gradient_model(optimizer(1.0))
    with pytest.raises(LRWidgetError, match=message):
        changes(model, 2, OneCycleMomentum(STEPS))
    assert weight(model) == 0.0


BAD = {
    "no steps": ({"total_steps": 0}, "total_steps"),
    "swapped": ({"max_momentum": 0.8, "min_momentum": 0.9}, "min_momentum=0.9.*Swap"),
    "momentum of 1": ({"max_momentum": 1.0}, "max_momentum"),
    "negative": ({"min_momentum": -0.1}, "min_momentum.*-0.1"),
    "warm-up": ({"warmup_fraction": 1.5}, "warmup_fraction.*1.5"),
    "anneal": ({"anneal": "step"}, "anneal.*'step'"),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_a_value_that_cannot_be_used_is_refused_when_constructed(changed, message):
    with pytest.raises(LRWidgetError, match=message):
        OneCycleMomentum(**({"total_steps": 10} | changed))


def test_only_a_one_cycle_has_a_momentum_against_it():
    with pytest.raises(LRWidgetError, match="OneCycle"):
        OneCycleMomentum.against(100)
