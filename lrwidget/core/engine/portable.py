"""PortableSteps: runs training steps one by one with Keras' own train function, for PyTorch."""

import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lrwidget.core.arrays import FloatArray, Logs
from lrwidget.core.data.misfit import explained
from lrwidget.core.data.source import Batches
from lrwidget.core.engine.logs import numbers_of
from lrwidget.core.engine.protocol import SECONDS_PER_GROUP
from lrwidget.core.model.building import Built
from lrwidget.core.model.given_rate import FunctionRate
from lrwidget.core.model.host import iterations_of
from lrwidget.core.model.rate import Rate
from lrwidget.core.model.snapshot import state_variables
from lrwidget.core.model.values import Variable
from lrwidget.errors import ModelError


class PortableSteps:
    """Runs the train function that `fit` would run; see `Engine`.

    Args:
        model: A compiled model; held weakly, so that a cache does not keep it alive.
        rate: The object that sets the learning rate during the test.
        monitor: The name of the reported value that is the loss.
    """

    def __init__(self, model: keras.Model, rate: Rate, monitor: str = "loss") -> None:
        self.rate = rate
        self.traces = 0
        self.variables: list[Variable] = []
        self._model = weakref.ref(model)
        self._monitor = monitor
        self._is_checked = False
        self._batches: Iterator[Any] = iter(())

    def adopt(self, built: Built) -> Built:
        """Return `built` itself, because no trace refers to earlier slots."""
        return built

    def start(self, batches: Batches) -> None:
        """Read `batches` from now on; the first step shows whether they fit."""
        model = self._living_model()
        self.rate.settle_untraced(model)
        model.make_train_function()
        self._batches, self._spec = iter(batches), batches.spec

    def finish(self) -> None:
        """Stop reading batches, and drop the gradients that a step leaves on the weights."""
        self._batches = iter(())
        model = self._model()
        if model is not None and hasattr(model, "zero_grad"):
            model.zero_grad()

    def run(self, lrs: FloatArray) -> Logs:
        """Train one step at each learning rate, for about 0.1 s; see `Engine`."""
        model = self._living_model()
        if isinstance(self.rate, FunctionRate):
            self.rate.check_effect(state_variables(model), lrs)
        rows: list[dict[str, float]] = []
        end = time.monotonic() + SECONDS_PER_GROUP
        with _in_training(model):
            for lr in lrs:
                rows.append(self._update(model, float(lr)))
                if time.monotonic() > end:
                    break
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def evaluate(self, batches: Sequence[Any]) -> float:
        """Return the loss on some batches, in inference mode, without changing any weight."""
        model = self._living_model()
        model.reset_metrics()
        with explained(model, batches[0], "validation data"):
            for batch in batches:
                logs = model.test_step(batch)
        return float(keras.ops.convert_to_numpy(logs[self._monitor]))

    def _update(self, model: keras.Model, lr: float) -> dict[str, float]:
        """Train on the batches of one optimizer update at one learning rate."""
        self.rate.set(lr)
        rows = [self._one_batch(model)]
        while not self._is_at_update():
            rows.append(self._one_batch(model))
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _is_at_update(self) -> bool:
        leader = self.rate.leader
        if leader is None or not leader.gradient_accumulation_steps:
            return True
        done = int(keras.ops.convert_to_numpy(iterations_of(leader)))
        return done % leader.gradient_accumulation_steps == 0

    def _one_batch(self, model: keras.Model) -> dict[str, float]:
        model.reset_metrics()
        counters = None if self._is_checked else self.rate.counters()
        batch = next(self._batches)
        with explained(model, self._spec):
            logs = numbers_of(model.train_function([batch]), self._monitor, _as_array)
        if counters is not None:
            self.rate.check_counted(model, counters)
            self._is_checked = True
        return {name: float(value) for name, value in logs.items()}

    def _living_model(self) -> keras.Model:
        model = self._model()
        if model is None:
            raise ModelError("The model was deleted while a range test ran on it.")
        return model


def _as_array(value: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(value))


class _in_training:  # noqa: N801
    """Sets the torch modules of a model to training mode, as `fit` does."""

    def __init__(self, model: Any) -> None:
        modules = model.modules() if hasattr(model, "modules") else ()
        self._modes = [(module, module.training) for module in modules]
        self._model = model

    def __enter__(self) -> None:
        if self._modes:
            self._model.train()

    def __exit__(self, *_error: object) -> None:
        for module, mode in self._modes:
            module.training = mode
