"""JaxSteps: jitted training steps on JAX, with the learning rate as an input."""

import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.data.misfit import explained
from lrwidget.core.data.source import Batches
from lrwidget.core.engine.jax_use import used_inputs
from lrwidget.core.engine.logs import numbers_of
from lrwidget.core.engine.protocol import SECONDS_PER_GROUP
from lrwidget.core.model.building import Built
from lrwidget.core.model.given_rate import FunctionRate
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.values import Variable
from lrwidget.errors import ModelError

Trained = tuple[list[Any], list[Any], list[Any]]
"""Values of the trainable, the non-trainable and the optimizer's variables."""


class JaxSteps:
    """Runs a model's own stateless `train_step`; see `Engine`.

    The state is copied at the start, and the steps train the copy: the variables of the model
    keep their values during the test.

    Args:
        model: A compiled model; held weakly, so that a cache does not keep it alive.
        rate: The object that sets the learning rate during the test.
        monitor: The name of the reported value that is the loss.

    Attributes:
        rate: The same object.
        traces: The number of times the training step was traced for compilation.
        variables: Empty: all variables of a step are in the model's own lists.
    """

    def __init__(self, model: keras.Model, rate: Rate, monitor: str = "loss") -> None:
        self.rate = rate
        self.traces = 0
        self.variables: list[Variable] = []
        self._model = weakref.ref(model)
        self._monitor = monitor
        self._compiles = bool(model.jit_compile) and not model.run_eagerly
        self._train = jax.jit(self._step, donate_argnums=0) if self._compiles else self._step
        self._test = jax.jit(self._test_step) if self._compiles else self._test_step
        self._places: list[tuple[int, int, float]] | None = None
        self._state: Trained | None = None
        self._batches: Iterator[Any] = iter(())

    def adopt(self, built: Built) -> Built:
        """Return `built` itself, because a step receives the slots as an input."""
        return built

    def start(self, batches: Batches) -> None:
        """Read `batches` from now on, and trace a step for their shapes without training."""
        model = self._living_model()
        model.reset_metrics()
        groups = _variables_of(model)
        trainable, non_trainable, optimizer, metrics = jax.tree.map(
            lambda variable: jnp.copy(variable.value), groups
        )
        if self._places is None:
            with explained(model, batches.spec):
                self._settle(model, groups, batches.spec)
        self._state, self._fresh_metrics = (trainable, non_trainable, optimizer), metrics
        self._seen = self._variables_seen(groups)
        leader = self.rate.leader
        self._gathered = (leader and leader.gradient_accumulation_steps) or 1
        self._done = 0 if leader is None else int(keras.ops.convert_to_numpy(iterations_of(leader)))
        self._batches, self._steps_of_group = iter(batches), 1

    def finish(self) -> None:
        """Stop reading batches, and drop the state."""
        self._state, self._batches = None, iter(())

    def run(self, lrs: FloatArray) -> Logs:
        """Train one step at each learning rate, for about 0.1 s; see `Engine`."""
        began = time.monotonic()
        rows = jax.device_get([self._update(float(lr)) for lr in lrs[: self._steps_of_group]])
        # Steps run asynchronously: only the time of a whole group can be measured.
        faster = SECONDS_PER_GROUP / (time.monotonic() - began)
        self._steps_of_group = max(1, int(len(rows) * min(faster, 4.0)))
        return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}

    def evaluate(self, batches: Sequence[Any]) -> float:
        """Return the loss on some batches, in inference mode, without changing the state."""
        trainable, non_trainable, _ = self._running_state()
        state = trainable, non_trainable, self._fresh_metrics
        with explained(self._living_model(), batches[0], "validation data"):
            for batch in batches:
                logs, state = self._test(state, batch)
        return float(logs[self._monitor])

    def _settle(self, model: keras.Model, groups: Any, batch: Any) -> None:
        """Choose the learning rates to move, and store their positions in the state."""
        values = jax.tree.map(lambda variable: variable.value, groups)
        variables = jax.tree.leaves(groups)
        try:
            jaxpr = jax.make_jaxpr(lambda state: self._numbers(model, state, batch))(values).jaxpr
        except jax.errors.ConcretizationTypeError:
            if self._compiles:
                raise
            self.rate.settle_untraced(model)
        else:
            pairs = zip(variables, used_inputs(jaxpr), strict=True)
            used = {id(variable) for variable, is_used in pairs if is_used}
            self.rate.settle(model, lambda variable: id(variable) in used)
        places = _places_of(groups)
        self._places = [(*places[id(variable)], factor) for variable, factor in self.rate.moved()]

    def _variables_seen(self, groups: Any) -> list[tuple[int, int, Any]]:
        """Return the variables that a user's function may set, after their positions."""
        if not isinstance(self.rate, FunctionRate):
            return []
        places = _places_of(groups)
        seen = [each for each in self.rate.variables if id(each) in places]
        self.rate.check_effect(seen, [1e-3])
        return [(*places[id(each)], each) for each in seen]

    def _update(self, lr: float) -> dict[str, Any]:
        """Train on the batches of one optimizer update at one learning rate."""
        rates = [np.float64(lr * factor) for _, _, factor in self._places or []]
        if isinstance(self.rate, FunctionRate):
            self.rate.set(lr)
            self._state = _replaced(
                self._running_state(), [(g, i, jnp.copy(v.value)) for g, i, v in self._seen]
            )
        count = self._gathered - self._done % self._gathered
        rows = [self._one_batch(rates, next(self._batches)) for _ in range(count)]
        self._done += count
        if count == 1:
            return rows[0]
        return {name: sum(row[name] for row in rows) / count for name in rows[0]}

    def _one_batch(self, rates: list[Any], batch: Any) -> dict[str, Any]:
        state = self._running_state()
        self._state = None  # the next state takes over its buffers
        logs, self._state = self._train(state, self._fresh_metrics, rates, batch)
        return logs

    def _step(
        self, state: Trained, metrics: list[Any], rates: list[Any], batch: Any
    ) -> tuple[dict[str, Any], Trained]:
        self.traces += 1
        places = [
            (group, index, jnp.asarray(rate, state[group][index].dtype))
            for (group, index, _), rate in zip(self._places or [], rates, strict=True)
        ]
        return self._numbers(self._living_model(), (*_replaced(state, places), metrics), batch)

    def _numbers(self, model: keras.Model, state: Any, batch: Any) -> Any:
        logs, (trainable, non_trainable, optimizer, _) = model.train_step(state, batch)
        numbers = numbers_of(logs, self._monitor, jnp.asarray)
        return numbers, (trainable, non_trainable, optimizer)

    def _test_step(self, state: Any, batch: Any) -> Any:
        return self._living_model().test_step(state, batch)

    def _running_state(self) -> Trained:
        if self._state is None:
            raise ModelError("A training step failed and left no state to go on from.")
        return self._state

    def _living_model(self) -> keras.Model:
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while a range test ran on it.")
        return model


def _variables_of(model: keras.Model) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return the variables whose values are the state of `train_step`, in its order."""
    return (
        list(model.trainable_variables),
        list(model.non_trainable_variables),
        list(model.optimizer.variables),
        list(model.metrics_variables),
    )


def _places_of(groups: Sequence[list[Any]]) -> dict[int, tuple[int, int]]:
    return {
        id(variable): (group, index)
        for group, variables in enumerate(groups)
        for index, variable in enumerate(variables)
    }


def _replaced(state: Any, values: list[tuple[int, int, Any]]) -> Any:
    """Return a state with new values at some positions."""
    new = [list(group) for group in state]
    for group, index, value in values:
        new[group][index] = value
    return tuple(new)
