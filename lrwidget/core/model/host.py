"""The private members of Keras and TensorFlow in use here, and why no public ones will do.

Seen on Keras 3.7 and 3.15 and on TensorFlow 2.18 and 2.21. `tests/backends/test_host.py` has one
test for each member, which fails by its name where a new version has moved or removed it.

Source:
    Keras: https://github.com/keras-team/keras/tree/master/keras/src
    TensorFlow: https://github.com/tensorflow/tensorflow/tree/master/tensorflow/python
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.trainers.data_adapters import (
    ArrayDataAdapter,
    TFDatasetAdapter,
    array_slicing,
    data_adapter_utils,
)

# Keras' adapters decide what `fit` hands to a training step: src/trainers/data_adapters.
__all__ = ["ArrayDataAdapter", "TFDatasetAdapter", "array_slicing", "data_adapter_utils"]

BOOKKEEPING = frozenset(
    {
        "_tracker",
        "_inbound_nodes",
        "_outbound_nodes",
        "_operations",
        "_operations_by_depth",
        "_nodes",
        "_nodes_by_depth",
        "_call_signature",
        "_losses",
        "_loss_ids",
        "_lock",
        "_called",
        "_tracked",
        "_auto_config",
        "_compile_config",
        "_compiled_trainable_state",
        "_distribute_strategy",
        "_distribution_strategy",
        "_initial_epoch",
        "_eval_epoch_iterator",
        "history",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
        "train_function",
        "test_function",
        "predict_function",
    }
)
"""Attributes that Keras and TensorFlow set while a model is called, trained or saved. Where one is
gone, nothing is lost."""

SET_BY_TRACKING = "_self_"
"""How the attributes begin that TensorFlow's tracking sets: tensorflow/python/trackable/base.py."""

MADE_BY_COMPILE = ("CompileLoss", "CompileMetrics", "MetricsList")
PASSED_BY_USER = "_user"
"""The classes of what `compile` makes, and how their attributes begin that hold its arguments:
src/trainers/compile_utils.py."""


# Optimizers: src/optimizers/base_optimizer.py


def iterations_of(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """Return the count of batches; the public `iterations` counts accumulated ones once."""
    return optimizer._iterations


def rate_held_by(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return the variable, schedule or function; the public `learning_rate` calls it."""
    return optimizer._learning_rate


def hold_rate(optimizer: keras.optimizers.Optimizer, rate: Any) -> None:
    """Let an optimizer hold a rate of another kind, which the public setter refuses once built."""
    old = optimizer._learning_rate
    if isinstance(old, keras.Variable):
        optimizer._untrack_variable(old)
    optimizer._learning_rate = rate
    # On some backends the assignment has tracked it already.
    is_tracked = any(variable is rate for variable in optimizer._variables)
    if isinstance(rate, keras.Variable) and not is_tracked:
        optimizer._track_variable(rate)
    _list_variables(optimizer, rate)


def _list_variables(optimizer: keras.optimizers.Optimizer, rate: Any) -> None:
    """Give an optimizer a new list of variables; the learning rate, if a variable, comes second.

    Keras loads a saved optimizer by position, and `iterations` comes first. The list must be new,
    because TensorFlow cannot export or checkpoint a list from which an item was removed.
    """
    first, *rest = (variable for variable in optimizer._variables if variable is not rate)
    is_kept = isinstance(rate, keras.Variable)
    # Without the tracker, as in an optimizer's constructor: it would wrap the list again.
    tracker = vars(optimizer).pop("_tracker")
    try:
        optimizer._variables = [first, *([rate] if is_kept else []), *rest]
    finally:
        vars(optimizer)["_tracker"] = tracker
    is_variable, _ = tracker.config["variables"]
    tracker.config["variables"] = is_variable, optimizer._variables


def without_schedule(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an optimizer without a schedule or function as learning rate."""
    is_constant = isinstance(attributes.get("_learning_rate"), keras.Variable)
    return attributes if is_constant else {**attributes, "_learning_rate": None}


def every_variable_of(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the variables of an optimizer alone; `variables` may add those of inner ones."""
    return list(optimizer._variables)


def trained_by(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the variables for which an optimizer was built, which it publishes nowhere."""
    return list(optimizer._trainable_variables)


def chooser_of(multi: keras.optimizers.Optimizer) -> Any:
    """Return the function by which a MultiOptimizer (Keras 3.14) gives variables to optimizers."""
    return multi._optimizer_map


# Variables: src/backend/common/variables.py


def native_of(variable: Any) -> Any:
    """Return the backend's own variable; the public `value` may be a cast copy of it."""
    return variable._value if isinstance(variable, keras.Variable) else variable


# Models and layers: src/layers/layer.py, src/utils/tracking.py, src/trainers/trainer.py


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Return a model and all layers inside of it; the public `layers` goes one level deep."""
    return list(model._flatten_layers())


def tracker_of(layer: keras.Layer) -> Any:
    """Return the object that files a layer's variables and layers, and is locked by building."""
    return layer._tracker


def tracker_in(attributes: dict[str, Any]) -> Any:
    """Return the tracker among the attributes of a layer, by `vars`."""
    return attributes["_tracker"]


def with_tracker(attributes: dict[str, Any], tracker: Any) -> dict[str, Any]:
    """Return the attributes of a layer with another tracker."""
    return {**attributes, "_tracker": tracker}


def build_for(model: keras.Model, batch_spec: Any) -> None:
    """Build all that `fit` would build: layers, metrics and slots; `build` builds layers alone."""
    model._symbolic_build(data_batch=batch_spec)


def compiled_parts_of(model: keras.Model) -> list[Any]:
    """Return the losses and the metrics that `compile` made, which are built by a first step."""
    parts = (model._compile_loss, model._compile_metrics)
    return [part for part in parts if part is not None]


def compile_config_of(model: keras.Model) -> Any:
    """Return the arguments of `compile`, from which Keras saves a model; None if not compiled."""
    return model._compile_config if model.compiled else None


# Keras on JAX: src/backend/jax/trainer.py

MAKE_FUNCTION = "_make_function"
"""The method of a model that compiles its training step, from Keras 3.8 on."""


def forget_jax_state(model: keras.Model) -> None:
    """Keep Keras from overwriting the variables with the state of the last step."""
    model._jax_state, model._jax_state_synced = None, True


# Keras' settings of a thread: src/backend/common/global_state.py


def global_attribute(name: str) -> Any:
    """Return an entry of Keras' settings of this thread, None where it is not set."""
    return global_state.get_global_attribute(name)


def set_global_attribute(name: str, value: Any) -> None:
    """Set an entry of Keras' settings of this thread."""
    global_state.set_global_attribute(name, value)


def thread_settings() -> dict[str, Any]:
    """Return all of Keras' settings of this thread, to read and to change."""
    return vars(global_state.GLOBAL_STATE_TRACKER)


# Arrays: src/trainers/data_adapters/array_data_adapter.py


def samples_of(adapter: ArrayDataAdapter) -> int:
    """Return the number of samples; the adapter publishes the number of batches alone."""
    return int(adapter._num_samples)


def arrays_of(adapter: ArrayDataAdapter) -> Any:
    """Return the arrays as `fit` converts them."""
    return adapter._inputs


# Seeds of TensorFlow's operations: tensorflow/python/eager/context.py


def operation_seeds() -> Any:
    """Return Python's generator of the seeds of later operations; None before `set_seed`."""
    from tensorflow.python.eager import context

    # The attribute is born with the first seed.
    return vars(context.context()).get("_rng")


@contextmanager
def operation_seed(seed: int, generator: Any) -> Iterator[None]:
    """Let TensorFlow draw the seeds of operations from another generator for a while."""
    from tensorflow.python.eager import context

    eager = context.context()
    before = eager._seed, operation_seeds()
    eager._seed, eager._rng = seed, generator
    try:
        yield
    finally:
        eager._seed, eager._rng = before


# Pipelines: tensorflow/python/data/ops/dataset_ops.py and the files of its operations

SHUFFLE, CACHE, COPY = "_ShuffleDataset", "CacheDataset", "_VariantDataset"
"""The classes of datasets that shuffle, that cache, and that come from a copy of a graph."""


def inputs_of(dataset: Any) -> list[Any]:
    """Return the datasets that a tf.data.Dataset reads from."""
    return list(dataset._inputs())


def functions_of(dataset: Any) -> list[Any]:
    """Return the functions of one dataset, each with its traced `function`."""
    return list(dataset._functions())


def python_function_of(function: Any) -> Any:
    """Return the Python code of one of `functions_of`."""
    return function._func


def generators_among(values: Any) -> list[Any]:
    """Return the user's generator functions that `from_generator` holds in some of the values."""
    from tensorflow.python.data.ops import dataset_ops

    kind = dataset_ops.DatasetV2._GeneratorState
    return [each._generator for each in values if isinstance(each, kind)]


def seeds_of_shuffle(dataset: Any) -> tuple[int, int] | None:
    """Return both seeds of a `SHUFFLE` dataset; None if it shuffles once and for all."""
    if not dataset._reshuffle_each_iteration:
        return None
    return int(dataset._seed), int(dataset._seed2)


def is_in_memory(dataset: Any) -> bool:
    """Return whether a `CACHE` dataset has no file."""
    return not dataset._filename.numpy()


def tensors_in(dataset: Any) -> list[Any]:
    """Return the tensors that one dataset itself holds, as those made of arrays do."""
    return list(vars(dataset).get("_tensors", ()))
