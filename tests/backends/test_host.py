"""Every private member of Keras and TensorFlow that host.py uses is there and does what it did.

Where a test fails after an upgrade, its name says which function of host.py has to be changed.
"""

import keras
import numpy as np
import pytest
from keras import layers

from lrwidget.core.model import host
from tests.core.battery import BACKEND

on = {
    name: pytest.mark.skipif(name != BACKEND, reason=f"only on {name}")
    for name in ("tensorflow", "jax")
}
X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")


def model_of(*hidden, **options):
    model = keras.Sequential([*hidden, layers.Dense(1)])
    settings = {"optimizer": keras.optimizers.Adam(0.5), "loss": "mse", "metrics": ["mae"]}
    model.compile(**settings | options)
    return model


@pytest.fixture(scope="module")
def trained():
    model = model_of(layers.Dense(2), run_eagerly=BACKEND == "tensorflow")
    model.fit(X, Y, verbose=0)
    return model


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)


def test_iterations_of_counts_batches_where_gradients_are_accumulated():
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    optimizer.build([keras.Variable(1.0)])
    assert host.iterations_of(optimizer) is optimizer.variables[0]
    host.iterations_of(optimizer).assign(5)
    assert int(optimizer.iterations) == 2


def test_rate_held_by_returns_the_schedule_itself():
    known = schedule()
    assert host.rate_held_by(keras.optimizers.SGD(known)) is known


@pytest.mark.parametrize("rate", [schedule(), keras.Variable(0.25)], ids=["schedule", "variable"])
def test_hold_rate_replaces_the_rate_of_a_built_optimizer_and_its_place_among_the_variables(rate):
    optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
    optimizer.build([keras.Variable(1.0)])
    slots = optimizer.variables[2:]
    host.hold_rate(optimizer, rate)
    assert host.rate_held_by(optimizer) is rate
    held = [rate] if isinstance(rate, keras.Variable) else []
    expected = [host.iterations_of(optimizer), *held, *slots]
    assert [id(each) for each in optimizer.variables] == [id(each) for each in expected]


def test_without_schedule_names_the_attribute_that_holds_the_rate():
    attributes = vars(keras.optimizers.SGD(schedule()))
    without = host.without_schedule(attributes)
    assert {name for name in without if without[name] is not attributes[name]} == {"_learning_rate"}


def test_every_variable_of_and_trained_by_return_the_slots_and_the_variables_of_the_model(trained):
    found = {id(each) for each in host.every_variable_of(trained.optimizer)}
    assert found == {id(each) for each in trained.optimizer.variables}
    assert [id(each) for each in host.trained_by(trained.optimizer)] == [
        id(each) for each in trained.trainable_variables
    ]


@pytest.mark.skipif(not hasattr(keras.optimizers, "MultiOptimizer"), reason="a newer Keras")
def test_chooser_of_returns_the_function_of_a_multi_optimizer():
    first, second = keras.optimizers.SGD(), keras.optimizers.Adam()
    chooser = keras.optimizers.OptimizerMap(first, {".*bias": second})
    multi = keras.optimizers.MultiOptimizer(chooser)
    assert host.chooser_of(multi) is chooser
    assert chooser.default_optimizer is first
    assert chooser(keras.Variable(1.0, name="bias")) is second


def test_native_of_returns_the_variable_of_the_backend():
    variable = keras.Variable(1.0)
    assert host.native_of(variable) is not variable
    assert not isinstance(host.native_of(variable), keras.Variable)
    assert host.native_of(X) is X


def test_layers_of_finds_a_layer_inside_of_a_layer():
    inner = keras.Sequential([layers.Dense(2)])
    model = keras.Sequential([keras.Input((2,)), inner])
    assert any(each is inner.layers[0] for each in host.layers_of(model))


def test_tracker_of_files_variables_and_is_locked_by_building():
    layer = layers.Dense(2)
    layer.build((None, 2))
    tracker = host.tracker_of(layer)
    assert tracker.locked
    assert host.tracker_in(vars(layer)) is tracker
    assert host.with_tracker({}, tracker) == {"_tracker": tracker}
    _, variables = tracker.config["trainable_variables"]
    assert variables[0] is layer.kernel
    assert id(layer.kernel) in tracker.stored_ids["trainable_variables"]
    tracker.unlock()
    assert not tracker.locked


def test_build_for_builds_layers_metrics_and_slots():
    model = model_of()
    spec = keras.tree.map_structure(
        lambda array: keras.KerasTensor(array.shape, array.dtype.name), (X, Y)
    )
    host.build_for(model, spec)
    assert model.built
    assert model.optimizer.built
    assert all(each.built for each in host.compiled_parts_of(model))


def test_compiled_parts_of_are_the_loss_and_the_metrics():
    kinds = [type(each).__name__ for each in host.compiled_parts_of(model_of())]
    assert kinds == ["CompileLoss", "CompileMetrics"]
    assert set(kinds) < set(host.MADE_BY_COMPILE)
    assert host.compiled_parts_of(keras.Sequential()) == []


def test_made_by_compile_hold_the_arguments_of_the_user():
    for part, argument in zip(host.compiled_parts_of(model_of()), ("mse", ["mae"]), strict=True):
        held = [each for name, each in vars(part).items() if name.startswith(host.PASSED_BY_USER)]
        assert any(each == argument for each in held)


def test_compile_config_of_holds_the_optimizer():
    model = model_of()
    assert host.compile_config_of(model).config["optimizer"] is model.optimizer
    assert host.compile_config_of(keras.Sequential()) is None


def test_bookkeeping_names_what_a_fit_adds_to_a_model():
    model = model_of(keras.Input((2,)), layers.Dense(2))
    model.optimizer.build(model.trainable_variables)
    before = dict(vars(model))
    model.fit(X, Y, verbose=0)
    added = {name for name in vars(model).keys() - before.keys() if not name.startswith("_jax")}
    assert added <= host.BOOKKEEPING
    assert {"_tracker", "_called", "_compile_config"} <= vars(model).keys()


@on["jax"]
def test_make_function_compiles_the_step_and_forget_jax_state_drops_the_state(trained):
    assert hasattr(trained, host.MAKE_FUNCTION)
    before = vars(trained).keys()
    assert {"_jax_state", "_jax_state_synced"} <= before
    host.forget_jax_state(trained)
    assert vars(trained).keys() == before
    trained.jax_state_sync()  # nothing to overwrite the variables with


def test_global_attributes_are_those_of_keras_random():
    keras.utils.set_random_seed(0)
    keras.random.uniform(())
    generator = host.global_attribute("global_seed_generator")
    assert isinstance(generator, keras.random.SeedGenerator)
    assert host.thread_settings()["global_seed_generator"] is generator
    other = keras.random.SeedGenerator(3)
    host.set_global_attribute("global_seed_generator", other)
    assert host.global_attribute("global_seed_generator") is other
    assert host.global_attribute("never set") is None


def test_adapter_of_arrays_tells_its_samples_and_arrays():
    adapter = host.ArrayDataAdapter(X, Y, batch_size=3)
    assert host.samples_of(adapter) == 4
    assert [np.shape(each) for each in host.arrays_of(adapter)] == [(4, 2), (4, 1)]
    assert adapter.num_batches == 2


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("array_slicing", "can_slice_array"),
        ("array_slicing", "convert_to_sliceable"),
        ("array_slicing", "TensorflowSparseWrapper"),
        ("array_slicing", "slice_tensorflow_sparse_wrapper"),
        ("data_adapter_utils", "class_weight_to_sample_weights"),
        ("data_adapter_utils", "get_jax_iterator"),
        ("data_adapter_utils", "get_tensor_spec"),
        ("data_adapter_utils", "is_scipy_sparse"),
        ("data_adapter_utils", "is_tensorflow_tensor"),
        ("data_adapter_utils", "is_torch_tensor"),
        ("data_adapter_utils", "scipy_sparse_to_tf_sparse"),
    ],
)
def test_functions_of_keras_data_adapters_are_there(module, name):
    assert callable(vars(getattr(host, module))[name])


@on["tensorflow"]
def test_operation_seeds_are_there_after_set_seed_and_exchanged_for_a_while():
    import random

    import tensorflow as tf

    tf.random.set_seed(3)
    own, other = host.operation_seeds(), random.Random(4)
    state = own.getstate()
    with host.operation_seed(4, other):
        assert host.operation_seeds() is other
        tf.random.uniform(())
    assert other.getstate() != random.Random(4).getstate()
    assert host.operation_seeds() is own
    assert own.getstate() == state


@on["tensorflow"]
def test_a_pipeline_shows_its_inputs_functions_seeds_cache_and_tensors():
    import tensorflow as tf

    def plus(x):
        return x + 1.0

    arrays = tf.data.Dataset.from_tensor_slices(X)
    mapped = arrays.map(plus)
    assert host.inputs_of(mapped) == [arrays]
    (function,) = host.functions_of(mapped)
    assert "plus" in host.python_function_of(function).__name__
    assert function.function.graph is not None
    assert function.function.captured_inputs == []
    np.testing.assert_array_equal(host.tensors_in(arrays)[0], X)
    shuffled = arrays.shuffle(2, seed=7)
    assert type(shuffled).__name__ == host.SHUFFLE
    assert host.seeds_of_shuffle(shuffled)[1] == 7
    assert host.seeds_of_shuffle(arrays.shuffle(2, reshuffle_each_iteration=False)) is None
    assert type(arrays.cache()).__name__ == host.CACHE
    assert host.is_in_memory(arrays.cache())
    assert not host.is_in_memory(arrays.cache("a-file"))
    variant = tf.data.experimental.to_variant(arrays)
    copy = tf.data.experimental.from_variant(variant, arrays.element_spec)
    assert type(copy).__name__ == host.COPY


@on["tensorflow"]
def test_generators_among_finds_the_function_of_the_user():
    import tensorflow as tf

    from lrwidget.core.data.pipeline import python_code_of

    def numbers():
        yield 1.0

    dataset = tf.data.Dataset.from_generator(
        numbers, output_signature=tf.TensorSpec((), tf.float32)
    )
    assert numbers in python_code_of(dataset)


@on["tensorflow"]
def test_set_by_tracking_is_how_tensorflow_names_its_attributes(trained):
    assert any(name.startswith(host.SET_BY_TRACKING) for name in vars(trained.optimizer))
