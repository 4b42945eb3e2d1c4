"""The learning rate that a test moves is the one that trains, wherever it is kept."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.errors import ConfigError, LRWidgetError, ModelError

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")
LADDER = {"min_lr": 1e-4, "max_lr": 0.05, "steps": 8, "seed": 0}


def data():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


def dense(name="dense"):
    return layers.Dense(1, name=name, kernel_initializer=keras.initializers.GlorotUniform(seed=1))


def compiled(optimizer, **options):
    model = keras.Sequential([keras.Input((4,)), dense()])
    model.compile(optimizer, "mse", **options)
    return model


def losses_by_hand(lrs, kernel):
    """Losses of plain SGD on the mean squared error, one batch of 8 at each learning rate."""
    kernel, bias, losses = np.array(kernel, np.float64), 0.0, []
    for step, lr in enumerate(lrs):
        rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
        error = X[rows] @ kernel + bias - Y[rows]
        losses.append(np.mean(error**2))
        kernel = kernel - lr * 2 * X[rows].T @ error / 8
        bias = bias - lr * 2 * np.mean(error)
    return losses


def assert_moved(result, kernel):
    """Assert that the curve is that of training at its learning rates."""
    assert result.losses == pytest.approx(losses_by_hand(result.lrs, kernel), rel=1e-4)


class OwnStep(keras.Model):
    """A training step of the user's, with `update` in place of `optimizer.apply`."""

    def __init__(self, **attributes):
        super().__init__()
        self.dense = dense()
        self.dense.build((None, 4))
        self.built = True
        for name, value in attributes.items():
            setattr(self, name, value)

    def call(self, x):
        return self.dense(x)

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x) - y))
        weights = self.dense.trainable_variables
        self.update(tape.gradient(loss, weights), weights)
        return {"loss": loss}

    def update(self, gradients, weights):
        self.optimizer.apply(gradients, weights)


class BySubmodel(OwnStep):
    def update(self, gradients, weights):
        self.sub.optimizer.apply(gradients, weights)


class ByNested(OwnStep):
    def update(self, gradients, weights):
        self.parts["inner"][0].optimizer.apply(gradients, weights)


class ByVariable(OwnStep):
    def update(self, gradients, weights):
        for gradient, weight in zip(gradients, weights, strict=True):
            weight.assign_sub(self.lr * gradient)


class Forwarding(keras.optimizers.Optimizer):
    """A wrapper that hands everything on to an optimizer inside, as for mixed methods."""

    def __init__(self, inside):
        super().__init__(learning_rate=1.0)
        self.inside = inside

    @property
    def learning_rate(self):
        return self.inside.learning_rate

    def build(self, variables):
        self.inside.build(variables)
        super().build(variables)

    @property
    def variables(self):
        return [*super().variables, *self.inside.variables]

    def apply(self, gradients, variables=None):
        self.inside.apply(gradients, variables)


def sgd(lr=0.01, **options):
    return keras.optimizers.SGD(lr, **options)


def with_submodel():
    sub = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    sub.compile(sgd())
    return BySubmodel(sub=sub)


def with_nested():
    return ByNested(parts={"inner": [SimpleNamespace(optimizer=sgd())]})


HIDDEN = {"submodel": with_submodel, "dict, list and object": with_nested}


@pytest.mark.parametrize("make", HIDDEN.values(), ids=HIDDEN)
def test_the_only_optimizer_that_the_step_uses_is_found(make):
    model = make()
    model.compile()
    result = lrwidget.range_test(model, data(), **LADDER)
    assert_moved(result, model.dense.kernel)
    assert result.restored
    applied = lrwidget.apply_lr(model, 0.5)
    assert applied.previous == pytest.approx(0.01)
    found = lrwidget.core.model.learning_rate.optimizers_of(model)
    assert [float(each.learning_rate) for each in found] == pytest.approx([0.001, 0.5])


def test_an_optimizer_of_a_submodel_can_be_named():
    model = with_submodel()
    model.compile()
    result = lrwidget.range_test(model, data(), optimizer=model.sub.optimizer, **LADDER)
    assert_moved(result, model.dense.kernel)


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
def test_an_optimizer_that_the_step_does_not_use_is_refused_and_nothing_changed(eager):
    model = ByVariable(lr=keras.Variable(0.01))
    model.compile(run_eagerly=eager)
    before = [weight.tobytes() for weight in model.get_weights()]
    with pytest.raises(ModelError, match=r"does not use the learning rate of.*`learning_rate=`"):
        lrwidget.range_test(model, data(), optimizer=model.optimizer, **LADDER)
    assert [weight.tobytes() for weight in model.get_weights()] == before
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)


def test_a_learning_rate_that_is_only_reported_does_not_train():
    class Reporting(BySubmodel):
        def train_step(self, batch):
            return super().train_step(batch) | {"lr": self.optimizer.learning_rate + 0.0}

    model = Reporting(sub=with_submodel().sub)
    model.compile()
    assert_moved(lrwidget.range_test(model, data(), **LADDER), model.dense.kernel)


@pytest.mark.parametrize("schedule", [False, True], ids=["float", "schedule"])
def test_a_wrapper_that_forwards_its_learning_rate_is_seen_through(schedule):
    rate = keras.optimizers.schedules.CosineDecay(0.01, 100) if schedule else 0.01
    model = compiled(Forwarding(sgd(rate)))
    result = lrwidget.range_test(model, data(), **LADDER)
    assert_moved(result, model.layers[0].kernel)
    lrwidget.apply_lr(model, 0.25)
    assert float(model.optimizer.inside.learning_rate) == 0.25


# A learning rate that is kept elsewhere.


def keras_variable(lr=0.01):
    return keras.Variable(lr, trainable=False)


def tf_variable(lr=0.01):
    return tf.Variable(lr, trainable=False)


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize("make", [keras_variable, tf_variable])
def test_a_variable_that_the_step_reads_is_moved_and_restored(make, eager):
    model = ByVariable(lr=make())
    model.compile(run_eagerly=eager)
    result = lrwidget.range_test(model, data(), learning_rate=model.lr, **LADDER)
    assert_moved(result, model.dense.kernel)
    assert float(model.lr) == pytest.approx(0.01)
    assert result.restored


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
def test_a_function_that_sets_the_learning_rate_is_called_before_each_step(eager):
    model = ByVariable(lr=keras_variable())
    other = keras_variable(7.0)
    model.compile(run_eagerly=eager)

    def set_lr(lr):
        model.lr.assign(lr)
        other.assign(-lr)

    for _ in range(2):
        result = lrwidget.range_test(model, data(), learning_rate=set_lr, **LADDER)
        assert_moved(result, model.dense.kernel)
    assert float(model.lr) == pytest.approx(0.01)
    assert float(other) == 7.0
    assert result.restored


def test_a_function_may_set_the_logarithm():
    class ByLogarithm(OwnStep):
        def update(self, gradients, weights):
            for gradient, weight in zip(gradients, weights, strict=True):
                weight.assign_sub(tf.exp(self.log_lr) * gradient)

    model = ByLogarithm(log_lr=keras_variable(-5.0))
    model.compile()

    def set_lr(lr):
        model.log_lr.assign(np.log(lr))

    result = lrwidget.range_test(model, data(), learning_rate=set_lr, **LADDER)
    assert_moved(result, model.dense.kernel)
    applied = lrwidget.apply_lr(model, 0.5, learning_rate=set_lr)
    assert str(applied) == "Learning rate now 0.5."
    applied.undo()
    assert float(model.log_lr) == -5.0


def test_what_the_step_does_not_read_is_refused():
    model = ByVariable(lr=keras_variable())
    model.compile()
    with pytest.raises(ModelError, match="does not read the variable"):
        lrwidget.range_test(model, data(), learning_rate=keras_variable(), **LADDER)
    stranger = keras_variable()
    for function in (lambda _lr: None, stranger.assign, lambda lr: setattr(model, "note", lr)):
        with pytest.raises(ModelError, match="changes no variable that the training step reads"):
            lrwidget.range_test(model, data(), learning_rate=function, **LADDER)


@pytest.mark.parametrize(
    "bad",
    [0.1, "lr", keras.optimizers.schedules.CosineDecay(0.1, 10), sgd, object()],
    ids=lambda bad: type(bad).__name__,
)
def test_what_cannot_be_a_learning_rate_to_move_is_refused(bad):
    model = ByVariable(lr=keras_variable())
    model.compile()
    with pytest.raises(LRWidgetError, match="learning_rate"):
        lrwidget.range_test(model, data(), learning_rate=bad, **LADDER)
    with pytest.raises(LRWidgetError, match="learning_rate"):
        lrwidget.apply_lr(model, 0.1, learning_rate=bad)


def test_an_optimizer_and_a_learning_rate_together_are_refused():
    model = compiled(sgd())
    both = {"optimizer": model.optimizer, "learning_rate": keras_variable()}
    with pytest.raises(ConfigError, match="not both"):
        lrwidget.range_test(model, data(), **both)
    with pytest.raises(ConfigError, match="not both"):
        lrwidget.apply_lr(model, 0.1, **both)


@pytest.mark.parametrize("by_function", [False, True], ids=["variable", "function"])
def test_a_learning_rate_kept_elsewhere_is_applied_and_taken_back(by_function):
    model = ByVariable(lr=keras_variable())
    model.compile()
    way = model.lr.assign if by_function else model.lr
    applied = lrwidget.apply_lr(model, 0.5, learning_rate=way)
    assert float(model.lr) == 0.5
    assert (applied.previous, applied.current) == pytest.approx((0.01, 0.5))
    applied.undo()
    assert float(model.lr) == pytest.approx(0.01)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(ConfigError, match="numbers only"):
        lrwidget.apply_lr(model, schedule, learning_rate=way)


def test_the_widget_moves_and_applies_a_learning_rate_kept_elsewhere():
    model = ByVariable(lr=keras_variable())
    model.compile()
    widget = lrwidget.LRFinderWidget(model, data(), learning_rate=model.lr, **LADDER)
    widget.run(block=True)
    assert_moved(widget.result, model.dense.kernel)
    widget.pick(0.25)
    widget.apply()
    assert float(model.lr) == 0.25
    widget.undo()
    assert float(model.lr) == pytest.approx(0.01)


# Several learning rates in one optimizer.


def multi(first=0.01, second=0.001):
    inner = sgd(first, name="first"), sgd(second, name="second")
    optimizers = keras.optimizers.OptimizerMap(inner[0], {".*bias.*": inner[1]})
    model = compiled(keras.optimizers.MultiOptimizer(optimizers))
    return model, inner


has_multi = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="Keras 3.15 and newer"
)


def in_fit(model):
    finder = lrwidget.LRRangeTest(LADDER["min_lr"], LADDER["max_lr"], LADDER["steps"])
    model.fit(data(), epochs=9, shuffle=False, verbose=0, callbacks=[finder])
    return finder.result


@has_multi
@pytest.mark.parametrize("trained", [False, True])
def test_the_callback_moves_all_learning_rates_of_a_multi_optimizer(trained):
    model, inner = multi()
    if trained:
        model.fit(data(), shuffle=False, verbose=0)
    expected = lrwidget.range_test(model, data(), **LADDER)
    result = in_fit(model)
    np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-5)
    assert result.restored
    assert result.notes == expected.notes
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.01, 0.001])


def test_the_callback_refuses_an_optimizer_that_the_step_does_not_use():
    model = ByVariable(lr=keras.Variable(0.01, trainable=False), unused=sgd(0.1))
    model.compile(optimizer=None)
    with pytest.raises(ModelError, match="does not use the learning rate"):
        in_fit(model)


def test_the_callback_refuses_ftrl():
    with pytest.raises(ModelError, match="Ftrl cannot be moved"):
        in_fit(compiled(keras.optimizers.Ftrl()))


def test_the_callback_moves_a_scheduled_adafactor_beyond_its_own_limit():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    settings = {"min_lr": 0.5, "max_lr": 5.0, "steps": 6, "stop_factor": None}
    model = compiled(keras.optimizers.Adafactor(schedule))
    expected = lrwidget.range_test(model, data(), **settings)
    finder = lrwidget.LRRangeTest(**settings)
    model.fit(data(), epochs=9, shuffle=False, verbose=0, callbacks=[finder])
    np.testing.assert_allclose(finder.result.losses, expected.losses, rtol=1e-5)
    assert model.optimizer._learning_rate is schedule


@has_multi
def test_one_factor_moves_all_learning_rates_of_a_multi_optimizer():
    model, inner = multi()
    seen = []

    def look(_update):
        seen.append([float(each.learning_rate) for each in inner])

    result = lrwidget.range_test(model, data(), on_update=look, **LADDER)
    assert seen[-1] == pytest.approx([0.05, 0.005])
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.01, 0.001])
    assert "One factor moved the learning rates of 2 optimizers" in result.notes[0]
    assert result.restored


@has_multi
def test_a_changed_ratio_is_seen_by_the_next_test():
    model, inner = multi()
    lrwidget.range_test(model, data(), **LADDER)
    inner[1].learning_rate = 0.01
    result = lrwidget.range_test(model, data(), **LADDER)
    assert_moved(result, model.layers[0].kernel)


@has_multi
def test_an_optimizer_inside_of_a_multi_optimizer_can_be_named():
    model, inner = multi(second=0.0)
    kernel = np.array(model.layers[0].kernel)
    result = lrwidget.range_test(model, data(), optimizer=inner[0], **LADDER)
    assert result.losses[:2] == pytest.approx(losses_by_hand(result.lrs[:2], kernel), rel=1e-2)
    assert not result.notes
    lrwidget.apply_lr(model, 0.5, inner[1])
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.01, 0.5])


@has_multi
@pytest.mark.parametrize("tested", [False, True], ids=["at once", "after a test"])
def test_apply_keeps_the_ratios_of_a_multi_optimizer(tested):
    model, inner = multi()
    if tested:
        lrwidget.range_test(model, data(), **LADDER)
    applied = lrwidget.apply_lr(model, 0.5)
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.5, 0.05])
    assert str(applied).startswith("Learning rate was 0.01, now 0.5. 1 more optimizer")
    applied.undo()
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.01, 0.001])
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    applied = lrwidget.apply_lr(model, schedule)
    model.fit(data(), steps_per_epoch=1, verbose=0, shuffle=False)
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.25, 0.025])
    assert applied.current is schedule
    applied.undo()
    assert [float(each.learning_rate) for each in inner] == pytest.approx([0.01, 0.001])


@has_multi
def test_a_monitor_records_all_learning_rates_of_a_multi_optimizer():
    model, _ = multi()
    monitor = lrwidget.LRMonitor()
    model.fit(data(), verbose=0, shuffle=False, callbacks=[monitor])
    assert monitor.lrs == pytest.approx(np.full(8, 0.01))
    by_name = monitor.lrs_by_optimizer
    assert by_name["first"] == pytest.approx(np.full(8, 0.01))
    assert by_name["second"] == pytest.approx(np.full(8, 0.001))
    assert list(monitor.to_frame().columns)[-2:] == ["lr_first", "lr_second"]


# Optimizers whose formula does not stand a moving learning rate.

MOVABLE = ["SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion"]
MOVABLE += [name for name in ("Lamb", "Muon") if hasattr(keras.optimizers, name)]


@pytest.mark.parametrize("name", MOVABLE)
def test_a_test_with_a_constant_range_is_training_at_that_rate(name):
    """Nearly constant: the ladder rises by a millionth."""
    model = compiled(getattr(keras.optimizers, name)())
    result = lrwidget.range_test(model, data(), min_lr=0.02, max_lr=0.02000002, steps=8)
    lrwidget.apply_lr(model, 0.02)
    monitor = lrwidget.LRMonitor()
    model.fit(data(), verbose=0, shuffle=False, callbacks=[monitor])
    assert result.losses == pytest.approx(monitor.losses, rel=1e-4)


def test_ftrl_is_refused_because_its_sums_hold_for_one_learning_rate():
    with pytest.raises(ModelError, match="Ftrl cannot be moved"):
        lrwidget.range_test(compiled("ftrl"), data(), **LADDER)


def test_a_limit_of_adafactor_is_explained():
    model = compiled(keras.optimizers.Adafactor(0.01))
    assert "no more than 1 / sqrt(step)" in lrwidget.range_test(model, data(), **LADDER).notes[0]
    free = compiled(keras.optimizers.Adafactor(0.01, relative_step=False))
    assert not lrwidget.range_test(free, data(), **LADDER).notes


def test_notes_are_saved_with_the_result(tmp_path):
    model = compiled(keras.optimizers.Adafactor(0.01))
    result = lrwidget.range_test(model, data(), **LADDER)
    result.save(tmp_path / "result.json")
    assert lrwidget.RangeTestResult.load(tmp_path / "result.json").notes == result.notes


# What a monitor says of a learning rate.


def test_a_monitor_refuses_a_learning_rate_that_the_step_does_not_use():
    model = ByVariable(lr=keras_variable())
    model.compile()
    with pytest.raises(ModelError, match=r"does not use the learning rate.*`learning_rate=`"):
        model.fit(data(), verbose=0, shuffle=False, callbacks=[lrwidget.LRMonitor()])
    model.fit(data(), verbose=0, shuffle=False)


@pytest.mark.parametrize("by_function", [False, True], ids=["variable", "function"])
def test_a_monitor_records_a_learning_rate_kept_elsewhere(by_function):
    model = ByVariable(lr=keras_variable())
    model.compile()
    monitor = lrwidget.LRMonitor(learning_rate=model.lr.assign if by_function else model.lr)
    model.fit(data(), verbose=0, shuffle=False, callbacks=[monitor])
    lrwidget.apply_lr(model, 0.005, learning_rate=model.lr)
    model.fit(data(), verbose=0, shuffle=False, callbacks=[monitor])
    assert monitor.lrs == pytest.approx([0.01] * 8 + [0.005] * 8)


def test_a_monitor_needs_a_learning_rate_that_can_be_read():
    model = ByVariable(lr=keras_variable())
    model.compile()
    for bad in (0.1, lambda _lr: None):
        monitor = lrwidget.LRMonitor(learning_rate=bad)
        with pytest.raises(ConfigError, match=r"leads to 0 of them"):
            model.fit(data(), verbose=0, shuffle=False, callbacks=[monitor])


@pytest.mark.parametrize("trained", [0, 5])
def test_a_fit_that_outlives_its_schedule_is_noticed_once(trained):
    model = compiled(keras.optimizers.Adam(0.01))
    model.fit(data(), steps_per_epoch=5, epochs=trained // 5, verbose=0, shuffle=False)
    lrwidget.apply_lr(model, lrwidget.schedules.OneCycle(0.01, total_steps=8))
    monitor = lrwidget.LRMonitor()
    settings = {"verbose": 0, "shuffle": False, "callbacks": [monitor]}
    model.fit(data(), **settings)  # just as long as the schedule: a warning would be an error
    with pytest.warns(UserWarning, match=r"OneCycle .*ended after its 8 steps.*1e-07") as caught:
        model.fit(data(), epochs=3, **settings)
    assert len([each for each in caught if "ended after" in str(each.message)]) == 1


def test_a_learning_rate_kept_elsewhere_is_moved_inside_of_fit():
    for setter in (False, True):
        model = ByVariable(lr=keras_variable())
        model.compile()
        before = [weights.copy() for weights in model.get_weights()]
        given = model.lr.assign if setter else model.lr
        ladder = {name: value for name, value in LADDER.items() if name != "seed"}
        finder = lrwidget.LRRangeTest(learning_rate=given, **ladder)
        model.fit(data(), epochs=50, verbose=0, shuffle=False, callbacks=[finder])
        expected = lrwidget.range_test(model, data(), learning_rate=given, **LADDER)
        np.testing.assert_allclose(finder.result.losses, expected.losses, rtol=1e-4)
        assert finder.result.restored
        for one, other in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
