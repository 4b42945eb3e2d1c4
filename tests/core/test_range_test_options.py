"""The options of a range test: several optimizers, another loss, class weights, validation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.errors import DataError, LRWidgetError, ModelError
from tests.core.battery import SAMPLES, batches, compiled, features, labels


class Gan(keras.Model):
    """A small GAN, as the Keras guides write them: two optimizers, no `call`, no "loss"."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((2,)), layers.Dense(6)])
        self.discriminator = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")
        self.seed_generator = keras.random.SeedGenerator(1)

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.loss_function = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.d_tracker, self.g_tracker]

    def train_step(self, real):
        real = real[0] if isinstance(real, tuple) else real
        count = tf.shape(real)[0]
        noise = keras.random.normal((count, 2), seed=self.seed_generator)
        both = tf.concat([self.generator(noise), real], axis=0)
        truth = tf.concat([tf.zeros((count, 1)), tf.ones((count, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_function(truth, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            fooled = self.discriminator(self.generator(noise))
            g_loss = self.loss_function(tf.ones((count, 1)), fooled)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"d_loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


@pytest.fixture
def gan():
    keras.utils.set_random_seed(0)
    model = Gan()
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.SGD(1e-3, momentum=0.5))
    return model


def images():
    return tf.data.Dataset.from_tensor_slices(features()).batch(10)


@pytest.mark.parametrize("which", ["d", "g"])
def test_the_learning_rate_of_the_chosen_optimizer_is_moved(gan, which):
    moved = getattr(gan, f"{which}_optimizer")
    seen = []

    def look(_update):
        seen.append([float(each.learning_rate) for each in (gan.d_optimizer, gan.g_optimizer)])

    result = lrwidget.range_test(
        gan, images(), optimizer=moved, monitor="d_loss", steps=20, max_lr=0.1, on_update=look
    )
    assert result.stop_reason == "finished"
    assert set(result.metrics) == {"g_loss"}
    expected = [0.1, 1e-3] if which == "d" else [1e-3, 0.1]
    np.testing.assert_allclose(seen[-1], expected, rtol=1e-6)


def test_a_model_with_several_optimizers_leaves_no_trace(gan):
    def train():
        gan.fit(images(), verbose=0, shuffle=False, epochs=2)
        return [weight.tobytes() for weight in gan.get_weights()]

    settings = {"optimizer": gan.g_optimizer, "monitor": "g_loss", "steps": 20}
    assert lrwidget.range_test(gan, images(), **settings).restored
    first = lrwidget.range_test(gan, images(), **settings)
    second = lrwidget.range_test(gan, images(), **settings)
    np.testing.assert_array_equal(first.losses, second.losses)
    tested = train()

    keras.utils.set_random_seed(0)
    gan = Gan()
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.SGD(1e-3, momentum=0.5))
    assert train() == tested


def test_a_learning_rate_is_applied_to_the_chosen_optimizer(gan):
    with pytest.raises(ModelError, match="holds 3 optimizer"):
        lrwidget.apply_lr(gan, 0.5)
    applied = lrwidget.apply_lr(gan, 0.5, optimizer=gan.g_optimizer)
    rates = [float(each.learning_rate.numpy()) for each in (gan.d_optimizer, gan.g_optimizer)]
    np.testing.assert_allclose(rates, [1e-3, 0.5])
    applied.undo()
    assert float(gan.g_optimizer.learning_rate.numpy()) == pytest.approx(1e-3)


def test_several_optimizers_and_none_chosen_is_refused(gan):
    with pytest.raises(ModelError, match=r"holds 3 optimizer.*optimizer=None.*uses 2 of them"):
        lrwidget.range_test(gan, images(), monitor="d_loss")


def test_an_optimizer_of_another_model_is_refused():
    with pytest.raises(ModelError, match=r"holds 1 optimizer.*got optimizer=stranger"):
        lrwidget.range_test(compiled(), batches(), optimizer=keras.optimizers.SGD(name="stranger"))


def test_a_loss_that_the_training_step_does_not_report_is_refused(gan):
    with pytest.raises(LRWidgetError, match=r"'loss'.*\['d_loss', 'g_loss'\].*`monitor=`"):
        lrwidget.range_test(gan, images(), optimizer=gan.d_optimizer)


@pytest.mark.parametrize("one_hot", [False, True])
def test_class_weights_weigh_as_in_fit(one_hot):
    y = keras.utils.to_categorical(labels(), 3) if one_hot else labels()
    weights = {0: 3.0, 2: 0.5}

    def model():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
        kind = keras.losses.CategoricalCrossentropy if one_hot else None
        kind = kind or keras.losses.SparseCategoricalCrossentropy
        model.compile(keras.optimizers.SGD(0.0), kind(from_logits=True))
        return model

    history = (
        model()
        .fit(features(), y, batch_size=SAMPLES, verbose=0, shuffle=False, class_weight=weights)
        .history
    )
    for data in ((features(), y), tf.data.Dataset.from_tensor_slices((features(), y)).batch(48)):
        result = lrwidget.range_test(
            model(), data, batch_size=SAMPLES, class_weight=weights, steps=2, max_lr=1e-6
        )
        assert result.losses[0] == pytest.approx(history["loss"][0], rel=1e-5)


def test_class_weights_beside_sample_weights_are_refused():
    data = features(), labels(), np.ones(SAMPLES)
    with pytest.raises(DataError, match="class_weight"):
        lrwidget.range_test(compiled(), data, class_weight={0: 2.0})


VALIDATION = {
    "arrays": lambda: (features()[:20], labels()[:20]),
    "dataset": lambda: batches().take(2),
}


@pytest.mark.parametrize("form", VALIDATION)
def test_the_validation_loss_is_that_of_evaluate(form):
    model, validation = compiled("sgd", layers.Dropout(0.5)), VALIDATION[form]()
    result = lrwidget.range_test(
        model, batches(), validation_data=validation, min_lr=1e-12, max_lr=1e-11, steps=40
    )
    measured = np.isfinite(result.validation_losses)
    assert 15 <= measured.sum() <= 25
    assert measured[-1]
    arguments = validation if isinstance(validation, tuple) else (validation,)
    expected = model.evaluate(*arguments, verbose=0)
    np.testing.assert_allclose(result.validation_losses[measured], expected, rtol=1e-5)
    assert "validation_loss" in result.to_frame()


@pytest.mark.parametrize("name", ["stateful_rnn", "batch_normalization_and_dropout"])
def test_measuring_the_validation_loss_does_not_change_the_curve(name):
    from tests.core.battery import MODELS

    keras.utils.set_random_seed(1)
    model, data = MODELS[name]()
    plain = lrwidget.range_test(model, data, seed=1, steps=40, max_lr=0.1)
    watched = lrwidget.range_test(model, data, seed=1, steps=40, max_lr=0.1, validation_data=data)
    np.testing.assert_array_equal(watched.losses, plain.losses)
    assert watched.restored


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        (keras.optimizers.SGD(0.1), "sgd"),
        (keras.optimizers.SGD(0.1, momentum=0.9), "momentum"),
        (keras.optimizers.RMSprop(0.1), "rmsprop"),
        (keras.optimizers.RMSprop(0.1, momentum=0.5), "other"),
        (keras.optimizers.Adam(0.1), "other"),
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "sgd"),
    ],
    ids=["sgd", "momentum", "rmsprop", "rmsprop with momentum", "adam", "loss-scaled sgd"],
)
def test_a_result_knows_what_took_its_steps(optimizer, kind):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    x = np.linspace(0, 1, 8)[:, None]
    result = lrwidget.range_test(model, (x, x), batch_size=4, steps=2)
    assert result.optimizer == kind
    finder = lrwidget.LRRangeTest(steps=2)
    model.fit(x, x, batch_size=4, callbacks=[finder], verbose=0)
    assert finder.result.optimizer == kind
