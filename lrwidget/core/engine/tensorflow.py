"""StepGroups: compiled groups of training steps, with the learning rate as an input."""

import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lrwidget.core.arrays import Logs
from lrwidget.core.curve.ladder import FloatArray
from lrwidget.core.data.misfit import explained
from lrwidget.core.data.tensorflow import TensorBatches, data_errors
from lrwidget.core.engine.logs import numbers_of
from lrwidget.core.engine.protocol import SECONDS_PER_GROUP
from lrwidget.core.model.building import Built
from lrwidget.core.model.given_rate import FunctionRate
from lrwidget.core.model.host import iterations_of, native_of
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.snapshot import state_variables
from lrwidget.errors import ModelError

# Maximum number of steps per call: a step shorter than a tenth of a millisecond is rare.
_STEPS_PER_GROUP = 1024

_Step = Callable[[Any], dict[str, tf.Tensor]]


class StepGroups:
    """Runs a model's own `train_step` many times per call, one learning rate after the other.

    A call trains for about 0.1 s, or to the last learning rate, and returns the values of each
    step alone: the metrics are reset before every step, because `fit` reports running means. The
    learning rates are an input of the compiled graph, of any length, so that it is traced once for
    each structure of the data. An optimizer that accumulates gradients gets one learning rate for
    each of its updates, and the update reports the mean loss of its batches.

    Args:
        model: A compiled and built model; held weakly, so that a cache does not keep it alive.
        rate: The object that sets the learning rate during the test.
        monitor: The name of the reported value that is the loss.

    Attributes:
        rate: The same object.
        traces: The number of times the training step was traced.
        variables: The variables that the traced steps read or write, wherever they are held.
    """

    def __init__(self, model: keras.Model, rate: Rate, monitor: str = "loss") -> None:
        self.rate = rate
        self.traces = 0
        self.variables: list[tf.Variable] = []
        self._model = weakref.ref(model)
        self._monitor = monitor
        self._eager = bool(model.run_eagerly)
        self._jit_compile = bool(model.jit_compile)
        self._is_checked = False
        self._test_step: Callable[[Any], Any] | None = None
        self._kept: list[tf.Variable] = []
        self._groups: dict[tf.TypeSpec, Callable[..., Any]] = {}
        self._built: Built | None = None
        self._iterator: Any = None
        self._batches: TensorBatches | None = None

    def adopt(self, built: Built) -> Built:
        """Use the slots that the traced steps refer to, with newly initialized values.

        Args:
            built: The optimizers that have just been built.

        Returns:
            The object to undo at the end: `built`, or the one of an earlier test, with the values
            of `built`.
        """
        new = built.variables()
        if self._built is None or not self._groups:
            self._built = built
            return built
        built.undo()
        self._built.redo()
        old = self._built.variables()
        if [variable.shape for variable in old] != [variable.shape for variable in new]:
            # The training step itself built these, perhaps from the weights: it must do so again.
            self._built.undo()
            built.redo()
            self._groups.clear()
            self._built = built
            return built
        for variable, value in zip(old, new, strict=True):
            variable.assign(value)
        return self._built

    def start(self, batches: Any) -> None:
        """Read `batches` from now on, and trace a step for their shapes without training."""
        with data_errors(batches):
            self._iterator = _iterate(batches.dataset, self._living_model().distribute_strategy)
            self._prepare(self._iterator)
        self._batches = batches

    def finish(self) -> None:
        """Stop reading batches; this ends threads that read ahead and run the user's code."""
        self._iterator = self._batches = None

    def _prepare(self, iterator: Any) -> None:
        spec = tf.type_spec_from_value(iterator)
        if spec in self._groups:
            return
        if self._eager:
            self.rate.settle_untraced(self._living_model())
            self._groups[spec] = self._eager_group
            self.variables += touched_variables(self._step, iterator.element_spec)
            return
        with explained(self._living_model(), iterator.element_spec):
            self._groups[spec] = self._traced_group(spec, iterator.element_spec)

    def run(self, lrs: FloatArray) -> Logs:
        """Train one step at each learning rate, for about 0.1 s.

        Args:
            lrs: Learning rates, shape (n,), n >= 1.

        Returns:
            The values that the steps reported, by name, each of shape (m,), m <= n.

        Raises:
            DataError: The data are empty.
            Exception: Any error of the model or the data.
        """
        iterator = self._iterator
        group, lrs = self._groups[tf.type_spec_from_value(iterator)], lrs[:_STEPS_PER_GROUP]
        with data_errors(self._batches):
            if isinstance(self.rate, FunctionRate):
                done, logs = self._one_by_one(self.rate, group, iterator, lrs)
            else:
                done, logs = group(iterator, tf.constant(lrs, self.rate.dtype))
        return {
            name: values.numpy()[: int(done)].astype(np.float64) for name, values in logs.items()
        }

    def evaluate(self, batches: Sequence[Any]) -> float:
        """Return the loss on some batches, in inference mode; only the metrics change.

        Args:
            batches: Batches as `test_step` takes them, all with the same structure.
        """
        model = self._living_model()
        with explained(model, batches[0], "validation data"):
            if self._test_step is None:
                self._test_step = self._make_test_step(model, batches[0])
            kept = [(variable, tf.identity(variable)) for variable in self._kept]
            model.reset_metrics()
            for batch in batches:
                logs = self._test_step(batch)
        for variable, value in kept:
            variable.assign(value)
        return float(logs[self._monitor])

    def _make_test_step(self, model: keras.Model, batch: Any) -> Callable[[Any], Any]:
        """Return a compiled `test_step`, and record its variables besides weights and metrics."""
        if self._eager:
            return model.test_step
        step = tf.function(
            lambda batch: self._living_model().test_step(batch),
            reduce_retracing=True,
            autograph=False,
        )
        weights = [*model.trainable_variables, *model.metrics_variables]
        others = {id(variable.value) for variable in weights}
        touched = step.get_concrete_function(batch).graph.variables
        self._kept = [variable for variable in touched if id(variable) not in others]
        return step

    def _living_model(self) -> keras.Model:
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while a range test ran on it.")
        return model

    def _eager_group(self, iterator: Any, lrs: tf.Tensor) -> Any:
        rows: list[dict[str, tf.Tensor]] = []
        model = self._living_model()
        end = time.monotonic() + SECONDS_PER_GROUP
        for lr in lrs:
            with explained(model, iterator.element_spec):
                rows.append(self._checked_update(iterator, lr))
            if time.monotonic() > end:
                break
        return len(rows), {name: tf.stack([row[name] for row in rows]) for name in rows[0]}

    def _checked_update(self, iterator: Any, lr: tf.Tensor) -> dict[str, tf.Tensor]:
        """Run one update of an eager model; the first one shows whether the optimizer is used."""
        if self._is_checked:
            return self._update(self._step, iterator, lr)
        counters = self.rate.counters()
        logs = self._update(self._step, iterator, lr)
        self.rate.check_counted(self._living_model(), counters)
        self._is_checked = True
        return logs

    def _one_by_one(
        self, rate: FunctionRate, group: Callable[..., Any], iterator: Any, lrs: FloatArray
    ) -> Any:
        """Call the user's function from Python before each step, for about 0.1 s."""
        rate.check_effect(self.variables or state_variables(self._living_model()), lrs)
        rows: list[dict[str, tf.Tensor]] = []
        end = time.monotonic() + SECONDS_PER_GROUP
        for lr in lrs:
            rate.set(float(lr))
            _, row = group(iterator, tf.constant([lr], rate.dtype))
            rows.append(row)
            if time.monotonic() > end:
                break
        return len(rows), {name: tf.concat([row[name] for row in rows], 0) for name in rows[0]}

    def _traced_group(self, spec: tf.TypeSpec, batch_spec: Any) -> Callable[..., Any]:
        step = tf.function(
            self._step,
            input_signature=[batch_spec],
            jit_compile=self._jit_compile,
            autograph=False,
        )
        traced = step.get_concrete_function()
        dtypes = {name: value.dtype for name, value in traced.structured_outputs.items()}
        self.variables += traced.graph.variables
        captured = traced.graph.external_captures
        self.rate.settle(self._living_model(), lambda variable: _is_captured(variable, captured))

        # Every operation in this loop adds a few microseconds to each step.
        def group(iterator: Any, lrs: tf.Tensor) -> Any:
            count = tf.shape(lrs)[0]
            end = tf.timestamp() + SECONDS_PER_GROUP
            logs = {
                name: tf.TensorArray(dtype, count, element_shape=())
                for name, dtype in dtypes.items()
            }

            def go_on(index: tf.Tensor, _logs: Any) -> tf.Tensor:
                return (index < count) & (tf.timestamp() < end)

            def one_update(index: tf.Tensor, logs: Any) -> Any:
                row = self._update(step, iterator, tf.gather(lrs, index))
                return index + 1, {name: logs[name].write(index, row[name]) for name in dtypes}

            done, logs = tf.while_loop(go_on, one_update, (0, logs))
            return done, {name: values.stack() for name, values in logs.items()}

        signature = [spec, tf.TensorSpec([None], self.rate.dtype)]
        compiled = tf.function(group, input_signature=signature, autograph=False)
        return compiled.get_concrete_function()

    def _update(self, step: _Step, iterator: Any, lr: tf.Tensor) -> dict[str, tf.Tensor]:
        """Train on the batches of one optimizer update at one learning rate."""
        self.rate.assign(lr)
        logs = step(iterator.get_next())
        leader = self.rate.leader
        if leader is None or not leader.gradient_accumulation_steps:
            return logs
        accumulation = leader.gradient_accumulation_steps
        # Updates happen at multiples of the accumulation, whatever the optimizer's step count is.
        rest = tf.cast(-iterations_of(leader).value % accumulation, tf.int32)

        def one_batch(index: tf.Tensor, sums: Any) -> Any:
            more = step(iterator.get_next())
            return index + 1, {name: sums[name] + more[name] for name in sums}

        _, sums = tf.while_loop(lambda index, _: index < rest, one_batch, (0, logs))
        return {name: total / tf.cast(rest + 1, total.dtype) for name, total in sums.items()}

    def _step(self, batch: Any) -> dict[str, tf.Tensor]:
        self.traces += 1
        model = self._living_model()

        def train_step(batch: Any) -> Any:
            model.reset_metrics()
            return model.train_step(keras.tree.map_structure(_none_for_optional, batch))

        strategy = model.distribute_strategy
        logs = strategy.run(train_step, args=(batch,))
        return numbers_of(logs, self._monitor, lambda value: _mean_over_replicas(value, strategy))


def _none_for_optional(value: Any) -> Any:
    """Return None for the Optional that represents it in a tf.data pipeline."""
    return None if isinstance(value, tf.experimental.Optional) else value


def touched_variables(step: Callable[[Any], Any], batch_spec: Any) -> list[tf.Variable]:
    """Return the variables that an eager step reads or writes, if it can be traced.

    The traced code may change Python objects; the caller must restore them.
    """
    with suppress(Exception):
        traced = tf.function(step, input_signature=[batch_spec], autograph=False)
        return list(traced.get_concrete_function().graph.variables)
    return []


def _mean_over_replicas(value: Any, strategy: tf.distribute.Strategy) -> tf.Tensor:
    values = strategy.experimental_local_results(value)
    if len(values) == 1:
        return tf.convert_to_tensor(value)
    return tf.reduce_mean(tf.stack(values), axis=0)


def _is_captured(variable: Any, captured: list[Any]) -> bool:
    """Return whether a graph captures a variable, on any device."""
    native = native_of(variable)
    on_devices = getattr(native, "values", [native])
    handles = [getattr(each, "handle", None) for each in on_devices]
    return any(handle is each for handle in handles if handle is not None for each in captured)


def _iterate(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
    """Return an iterator that gives every replica its share of each batch.

    Autotuning is off: deleting an iterator with autotuning may wait for seconds until its tuning
    thread ends, and Stop would wait too.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    if strategy.num_replicas_in_sync > 1:
        dataset = strategy.experimental_distribute_dataset(dataset)
    return iter(dataset)
