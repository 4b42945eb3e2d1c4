"""All state that a training step or its data read or write comes back, whoever holds it."""

import functools
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lrwidget
from lrwidget.core.model.snapshot import Snapshot
from lrwidget.errors import DataError, LRWidgetError, NotRestoredError
from tests.core.battery import SAMPLES, batches, compiled, crossentropy, dense, features, labels

CASES: dict[str, Callable[[], tuple[keras.Model, Any]]] = {}


def case(builder):
    CASES[builder.__name__] = builder
    return builder


@case
def augmentation_layers_in_the_pipeline():
    augment = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.2)])
    images = np.random.default_rng(0).uniform(size=(SAMPLES, 6, 6, 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((images, labels())).batch(10)
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", crossentropy())
    return model, data.map(lambda x, y: (augment(x, training=True), y)).prefetch(2)


@case
def generator_of_tensorflow_in_the_pipeline():
    generator, count = tf.random.Generator.from_seed(3), tf.Variable(0.0)

    def noisy(x, y):
        count.assign_add(0.1)
        return x + generator.normal(tf.shape(x)) + count, y

    return compiled(), batches().map(noisy)


@case
def generator_in_a_nested_pipeline():
    generator = tf.random.Generator.from_seed(3)
    inner = lambda x, y: tf.data.Dataset.from_tensors((x, y)).map(  # noqa: E731
        lambda x, y: (x + generator.normal(tf.shape(x)), y)
    )
    known_length = tf.data.experimental.assert_cardinality(5)
    return compiled(), batches().flat_map(inner).apply(known_length)


class WithQueue(keras.Model):
    """A model with a variable that Keras does not track, as contrastive learning has."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)
        self.queue = tf.Variable(tf.zeros((4, 3)), trainable=False)
        self.holders = [{"deep": tf.Variable(0.0, trainable=False)}]
        self.noise = tf.random.Generator.from_seed(1)

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        x, y = data
        self.queue.assign(tf.concat([self(x)[:1], self.queue[:-1]], 0))
        self.holders[0]["deep"].assign_add(0.1)
        shift = tf.reduce_mean(self.queue) + self.holders[0]["deep"]
        return super().train_step((x + shift + self.noise.normal(tf.shape(x)), y))


def with_queue(**options):
    model = WithQueue()
    model.compile("sgd", crossentropy(), **options)
    return model, batches()


@case
def variables_that_keras_does_not_track():
    return with_queue()


@case
def variables_that_keras_does_not_track_in_an_eager_model():
    return with_queue(run_eagerly=True)


class Counting(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)
        self.count, self.seen, self.by_name = 0, [], {"steps": 0}

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        x, y = data
        self.count += 1
        self.seen.append(self.count)
        self.by_name["steps"] += 1
        return super().train_step((x + 0.1 * (self.count + len(self.seen)), y))


@case
def python_counters_of_an_eager_model():
    model = Counting()
    model.compile("sgd", crossentropy(), run_eagerly=True)
    return model, batches()


@case
def python_counters_read_while_tracing():
    model = Counting()
    model(features())  # `fit` traces twice where it has to build the model first
    model.compile("sgd", crossentropy())
    return model, batches()


class Noisy(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        x, y = data
        noise = tf.random.normal(tf.shape(x)) + tf.random.uniform(tf.shape(x), seed=5)
        return super().train_step((x + noise, y))


@case
def operation_seeds_of_an_eager_model():
    tf.random.set_seed(4)
    model = Noisy()
    model.compile("sgd", crossentropy(), run_eagerly=True)
    return model, batches()


@case
def operation_seeds_of_a_traced_model():
    tf.random.set_seed(4)
    model = Noisy()
    model.compile("sgd", crossentropy())
    return model, batches()


class Lazy(keras.Model):
    """Creates a variable with its first step."""

    def __init__(self):
        super().__init__()
        self.head, self.scale = layers.Dense(3), None

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        x, y = data
        if self.scale is None:
            self.scale = tf.Variable(1.0, trainable=False)
        self.scale.assign_add(0.1)
        return super().train_step((x * self.scale, y))


@case
def a_variable_that_the_first_step_creates():
    model = Lazy()
    model.compile("sgd", crossentropy())
    return model, batches()


class Shuffled(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.order = np.arange(SAMPLES)

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = self.order[10 * index : 10 * index + 10]
        return features()[rows], labels()[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)


@case
def data_shuffled_by_the_global_state():
    return compiled(), Shuffled()


class ShuffledByItself(Shuffled):
    def __init__(self):
        super().__init__()
        self.parts = {"rng": np.random.default_rng(1), "old": random.Random(2)}
        self.order = list(self.order)

    def on_epoch_end(self):
        self.order = [self.order[k] for k in self.parts["rng"].permutation(SAMPLES)]
        self.parts["old"].shuffle(self.order)


@case
def data_shuffled_by_generators_of_the_data():
    return compiled(), ShuffledByItself()


class ShuffledInPlace(Shuffled):
    def __init__(self):
        super().__init__()
        self.x, self.y = np.tile(features(), (1, 2000)).astype("float32"), labels()

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return self.x[rows, :6], self.y[rows]

    def on_epoch_end(self):
        order = np.random.permutation(SAMPLES)
        self.x[:], self.y[:] = self.x[order], self.y[order]


@case
def large_arrays_shuffled_in_place():
    return compiled(), ShuffledInPlace()


@case
def augmentation_in_python_data():
    class Augmented(Shuffled):
        def __init__(self):
            super().__init__()
            self.augment = layers.GaussianNoise(0.5, seed=3)

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return keras.ops.convert_to_numpy(self.augment(x, training=True)), y

    return compiled(), Augmented()


class Loader:
    """Data whose batches come from a method, as many a project has them."""

    def __init__(self):
        self.rng, self.order = np.random.default_rng(1), np.arange(SAMPLES)

    def batches(self, rng=None):
        while True:
            (rng or self.rng).shuffle(self.order)
            for start in range(0, 40, 10):
                rows = self.order[start : start + 10]
                yield features()[rows], labels()[rows]

    __call__ = batches


@case
def a_method_of_an_object_with_its_own_order():
    return compiled(), Loader().batches


@case
def an_object_that_is_called():
    return compiled(), Loader()


@case
def a_function_with_its_arguments():
    return compiled(), functools.partial(Loader().batches, rng=np.random.default_rng(2))


GLOBAL_LOADER, GLOBAL_ORDER = Loader(), list(range(SAMPLES))


@case
def a_generator_function_that_uses_globals():
    GLOBAL_LOADER.__init__()
    GLOBAL_ORDER.sort()

    def generator():
        for x, y in GLOBAL_LOADER.batches():
            np.random.shuffle(GLOBAL_ORDER)
            yield x + GLOBAL_ORDER[0], y

    return compiled(), generator


SPEC = (tf.TensorSpec((None, 6)), tf.TensorSpec((None,), tf.int64))


@case
def a_python_generator_in_a_pipeline():
    data = tf.data.Dataset.from_generator(Loader().batches, output_signature=SPEC)
    data = data.map(lambda x, y: (2 * x, y)).take(6)
    return compiled(), data.apply(tf.data.experimental.assert_cardinality(6))


@case
def python_code_in_a_pipeline():
    loader = Loader()

    def noisy(x, y):
        number = tf.numpy_function(lambda: np.float32(loader.rng.normal()), [], tf.float32)
        return x + tf.reshape(number, ()), y

    return compiled(), batches().map(noisy)


class Replay:
    def __init__(self):
        self.seen, self.sums, self.last = {"losses": [[]]}, np.zeros(6, "float32"), deque(maxlen=3)


class WithReplay(keras.Model):
    """Keeps Python objects of its own, which its step changes."""

    def __init__(self):
        super().__init__()
        self.head, self.replay, self.rng = layers.Dense(3), Replay(), np.random.default_rng(5)

    def call(self, x):
        return self.head(x)

    def shift(self):
        replay = self.replay
        replay.seen["losses"][0].append(0.1)
        replay.sums += 0.1
        replay.last.append(self.rng.normal())
        return np.float32(sum(replay.seen["losses"][0]) + replay.sums + sum(replay.last))

    def train_step(self, data):
        x, y = data
        shift = tf.numpy_function(self.shift, [], tf.float32)
        return super().train_step((x + tf.reshape(shift, (1, 6)), y))


@case
def python_objects_of_an_eager_model():
    model = WithReplay()
    model.compile("sgd", crossentropy(), run_eagerly=True)
    return model, batches()


@case
def python_objects_of_a_model_that_calls_python():
    model = WithReplay()
    model.compile("sgd", crossentropy())
    return model, batches()


class Growing(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def call(self, y, predicted):
        self.calls += 1
        return self.calls * crossentropy()(y, predicted)


@case
def a_loss_that_counts_in_an_eager_model():
    model = dense()
    model.compile("sgd", Growing(), run_eagerly=True)
    return model, batches()


class Slots(keras.Model):
    """Has optimizers that its own training step builds."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3)

    def compile(self, own_optimizer):
        super().compile()
        self.own_optimizer = own_optimizer

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(crossentropy()(y, self(x)))
        weights = self.trainable_variables
        self.own_optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


@case
def slots_that_the_training_step_creates():
    model = Slots()
    model.compile(keras.optimizers.Adam(0.05))
    return model, batches()


def trained(name: str, tests: int) -> list[bytes]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    model, data = CASES[name]()
    optimizer = getattr(model, "own_optimizer", None)
    for _ in range(tests):
        result = lrwidget.range_test(model, data, steps=12, max_lr=1e-2, optimizer=optimizer)
        assert result.restored
    if isinstance(data, tf.data.Dataset | keras.utils.PyDataset):
        model.fit(data, epochs=2, verbose=0, shuffle=False)
    else:
        model.fit(data(), epochs=2, verbose=0, steps_per_epoch=4, shuffle=False)
    return [weights.tobytes() for weights in model.get_weights()]


@pytest.mark.parametrize("name", CASES)
def test_training_after_tests_equals_training_without(name):
    assert trained(name, tests=1) == trained(name, tests=0)
    assert trained(name, tests=2) == trained(name, tests=0)


def test_generators_that_a_data_function_uses_come_back():
    rng = np.random.default_rng(2)

    def generator():
        while True:
            rows = rng.permutation(SAMPLES)[:8]
            yield features()[rows], labels()[rows]

    before = rng.bit_generator.state
    lrwidget.range_test(compiled(), generator, steps=12, max_lr=1e-3)
    assert rng.bit_generator.state == before


SETTINGS = {
    "momentum": (lambda: keras.optimizers.SGD(0.01), "momentum", 0.9),
    "amsgrad": (lambda: keras.optimizers.Adam(0.05), "amsgrad", True),
    "accumulation": (lambda: keras.optimizers.Adam(0.05), "gradient_accumulation_steps", 3),
    "moving average": (lambda: keras.optimizers.Adam(0.05), "use_ema", True),
}


def test_operations_of_tensorflow_that_a_data_function_runs_draw_as_without_the_test():
    def noisy():
        for start in range(0, SAMPLES, 8):
            noise = tf.random.normal((8, features().shape[1]))
            yield features()[start : start + 8] + noise, labels()[start : start + 8]

    def drawn(seed, tested):
        tf.random.set_seed(seed)
        if tested:
            lrwidget.range_test(compiled(), noisy, steps=9, max_lr=1e-3)
        return np.concatenate([x for x, _ in noisy()])

    np.testing.assert_array_equal(drawn(21, tested=True), drawn(21, tested=False))


def test_what_a_data_function_notes_down_stays():
    starts = []

    def generator():
        starts.append(len(starts))
        while True:
            yield features(), labels()

    lrwidget.range_test(compiled(), generator, steps=5, max_lr=1e-3, sweeps=2)
    assert starts == [0, 1]


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_an_optimizer_that_was_not_built_can_be_changed_after_a_test(name):
    make, attribute, value = SETTINGS[name]

    def losses(tests: int) -> list[float]:
        keras.utils.set_random_seed(1)
        model = compiled(make(), layers.Dense(4))
        for _ in range(tests):
            lrwidget.range_test(model, batches(), steps=12, max_lr=1e-2)
        assert not model.optimizer.built
        setattr(model.optimizer, attribute, value)
        return model.fit(batches(), epochs=3, verbose=0, shuffle=False).history["loss"]

    assert losses(1) == losses(2) == losses(0)


def test_an_optimizer_takes_its_slots_from_the_weights_of_its_first_fit():
    def weights(test: bool) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        model = compiled(keras.optimizers.ScheduleFreeAdamW())
        if test:
            assert lrwidget.range_test(model, batches(), steps=12, max_lr=1e-2).restored
        model.set_weights([np.full(each.shape, 0.1, "float32") for each in model.get_weights()])
        model.optimizer.build(model.trainable_variables)
        model.fit(batches(), verbose=0, shuffle=False)
        return model.get_weights()

    for with_test, without in zip(weights(True), weights(False), strict=True):
        np.testing.assert_array_equal(with_test, without)


def test_a_second_test_of_such_an_optimizer_starts_from_the_weights_of_then():
    model = compiled(keras.optimizers.ScheduleFreeAdamW())
    lrwidget.range_test(model, batches(), steps=12, max_lr=1e-2, seed=1)
    model.set_weights([np.full(each.shape, 0.1, "float32") for each in model.get_weights()])
    again = lrwidget.range_test(model, batches(), steps=12, max_lr=1e-2, seed=1)
    fresh = compiled(keras.optimizers.ScheduleFreeAdamW())
    fresh.set_weights(model.get_weights())
    expected = lrwidget.range_test(fresh, batches(), steps=12, max_lr=1e-2, seed=1)
    np.testing.assert_array_equal(again.losses, expected.losses)


def test_layers_can_be_unfrozen_after_a_test():
    model = dense(layers.Dense(4, trainable=False))
    model.compile("adam", crossentropy())
    lrwidget.range_test(model, batches(), steps=5, max_lr=1e-3)
    model.layers[0].trainable = True
    model.compile(model.optimizer, crossentropy())
    model.fit(batches(), verbose=0, shuffle=False)


def test_a_model_that_was_tested_before_its_first_fit_can_be_saved_and_loaded(tmp_path):
    model = compiled("adam", layers.Dense(4))
    for _ in range(2):
        lrwidget.range_test(model, batches(), steps=5, max_lr=1e-3)
    model.fit(batches(), verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(tmp_path / "checkpoint"))
    loaded = keras.models.load_model(tmp_path / "model.keras")
    saved, found = model.optimizer.variables, loaded.optimizer.variables
    for one, other in zip(saved, found, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_an_unused_default_optimizer_is_not_built():
    model, data = CASES["slots_that_the_training_step_creates"]()
    for _ in range(2):
        lrwidget.range_test(model, data, steps=5, max_lr=1e-3, optimizer=model.own_optimizer)
    assert not model.optimizer.built
    assert not model.own_optimizer.built


def test_a_test_that_fails_while_tracing_leaves_the_optimizers_usable():
    model, data = CASES["slots_that_the_training_step_creates"]()
    with pytest.raises(LRWidgetError, match="monitor"):
        lrwidget.range_test(model, data, optimizer=model.own_optimizer, monitor="d_loss")
    assert lrwidget.range_test(model, data, optimizer=model.own_optimizer, steps=5).restored
    model.fit(data, verbose=0, shuffle=False)


def test_a_model_that_failed_on_the_wrong_data_is_built_for_the_right_ones():
    class TwoLayers(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(4), layers.Conv1D(3, 2)

        def call(self, x):
            return keras.ops.mean(self.second(self.first(x)), axis=1)

    model = TwoLayers()
    model.compile("sgd", crossentropy())
    with pytest.raises(Exception, match=r"Conv1D|conv1d|ndim"):
        lrwidget.range_test(model, (features(), labels()), steps=5)
    assert not model.first.built
    right = np.repeat(features()[:, None, :5], 3, axis=1)
    assert lrwidget.range_test(model, (right, labels()), steps=5, max_lr=1e-3).restored


class LeavesALayer(Noisy):
    """Builds a layer with its first step that it does not call before."""

    def __init__(self):
        super().__init__()
        self.extra = layers.BatchNormalization(trainable=False)

    def train_step(self, data):
        x, y = data
        return super().train_step((self.extra(x, training=True), y))


def test_state_that_a_step_creates_and_leaves_behind_is_not_called_restored():
    model = LeavesALayer()
    model.compile("sgd", crossentropy())
    assert not lrwidget.range_test(model, batches(), steps=5, max_lr=1e-3).restored


def test_a_model_may_hold_a_function_that_has_no_module():
    names: dict[str, Any] = {}
    exec("def twice(x):\n    return 2 * x", names)
    assert names["twice"].__module__ is None
    model = compiled()
    model.helper = names["twice"]
    assert lrwidget.range_test(model, batches(), steps=5, max_lr=1e-3).restored


def test_random_draws_of_the_model_are_no_reason_to_doubt_that_it_is_restored():
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    noise = layers.Lambda(lambda x: x + keras.random.normal(keras.ops.shape(x)))
    model = compiled("sgd", noise)
    for _ in range(2):
        assert lrwidget.range_test(model, batches(), steps=5, max_lr=1e-3).restored


class Unwritable(keras.Variable):
    """A variable that cannot be written for a while, as when memory is short."""

    failures = 0

    def assign(self, value):
        if self.failures:
            self.failures -= 1
            raise MemoryError("no memory for one variable")
        return super().assign(value)


def snapshot_with_an_unwritable_one() -> tuple[Snapshot, list[Any]]:
    variables = [*compiled("sgd", layers.Dense(4)).variables]
    variables[1] = Unwritable(variables[1].value, name="bias")
    return Snapshot(variables), variables


def changed(variables: list[Any]) -> list[np.ndarray]:
    before = [variable.numpy().copy() for variable in variables]
    for variable in variables:
        variable.assign(variable + 1)
    np.random.random()
    return before


def test_a_variable_that_cannot_be_written_once_is_written_at_the_second_try():
    snapshot, variables = snapshot_with_an_unwritable_one()
    before = changed(variables)
    variables[1].failures = 1
    snapshot.restore()
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_variable_that_cannot_be_restored_is_named_and_all_others_are_restored():
    snapshot, variables = snapshot_with_an_unwritable_one()
    numbers = np.random.get_state()[2]
    before = changed(variables)
    variables[1].failures = 2
    with pytest.raises(NotRestoredError, match=r"1 variable.*bias.*retry") as caught:
        snapshot.restore()
    assert np.random.get_state()[2] == numbers
    same = [np.array_equal(a.numpy(), b) for a, b in zip(variables, before, strict=True)]
    assert same == [True, False, *[True] * (len(variables) - 2)]
    caught.value.retry()
    np.testing.assert_array_equal(variables[1].numpy(), before[1])


def test_wrong_data_after_right_ones_change_nothing():
    model = compiled("adam")
    lrwidget.range_test(model, batches(), steps=5)
    before = [weights.copy() for weights in model.get_weights()]
    with pytest.raises(DataError):
        lrwidget.range_test(model, batches().unbatch())
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_random_state_of_torch_comes_back():
    torch = pytest.importorskip("torch", reason="opt-in: pip install torch")
    tensors = torch.from_numpy(features()), torch.from_numpy(labels())
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), batch_size=10, shuffle=True
    )
    before = torch.get_rng_state()
    lrwidget.range_test(compiled(), loader, steps=12, max_lr=1e-3)
    assert torch.equal(torch.get_rng_state(), before)
