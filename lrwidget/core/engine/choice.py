"""engine_for: the engine for a model on this backend, reused while its trace is valid."""

import weakref

import keras

from lrwidget.core.engine.protocol import Engine
from lrwidget.core.model.fingerprint import Fingerprint
from lrwidget.core.model.given_rate import FunctionRate
from lrwidget.core.model.rate import Rate

_kept: weakref.WeakKeyDictionary[keras.Model, tuple[Fingerprint, Engine]] = (
    weakref.WeakKeyDictionary()
)


def engine_for(model: keras.Model, rate: Rate, monitor: str = "loss", reuse: bool = True) -> Engine:
    """Return the engine for a model, reusing that of an earlier test if possible.

    It is reused while every value that a trace of the training step may read is unchanged. So a
    second test trains exactly as a first `fit` would.

    Args:
        model: A compiled model.
        rate: The object that sets the learning rate.
        monitor: The name of the reported value that is the loss.
        reuse: Whether to look for the engine of an earlier test, and to store this one.
    """
    if not reuse:
        return _new_engine(model, rate, monitor)
    roots = [model, model.train_step, type(rate), rate.traced(), monitor]
    fingerprint = Fingerprint(roots, rate.replaced())
    known, engine = _kept.get(model, (None, None))
    if engine is None or known != fingerprint:
        engine = _new_engine(model, rate, monitor)
        _kept[model] = (fingerprint, engine)
    elif isinstance(engine.rate, FunctionRate) and isinstance(rate, FunctionRate):
        engine.rate.renew(rate)
    return engine


def _new_engine(model: keras.Model, rate: Rate, monitor: str) -> Engine:
    match keras.backend.backend():
        case "tensorflow":
            from lrwidget.core.engine.tensorflow import StepGroups

            return StepGroups(model, rate, monitor)
        case "jax":
            from lrwidget.core.engine.jax import JaxSteps

            return JaxSteps(model, rate, monitor)
        case _:
            from lrwidget.core.engine.portable import PortableSteps

            return PortableSteps(model, rate, monitor)
