"""PackedModel: a model as Keras saves it, and the values of all its state, to travel as bytes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lrwidget.core.model.families import family_of
from lrwidget.core.model.host import compile_config_of, every_variable_of, layers_of
from lrwidget.core.model.learning_rate import optimizers_of
from lrwidget.core.model.optimizer_copy import made_from, recipe_of, slots_of, swapped
from lrwidget.core.model.snapshot import state_variables
from lrwidget.core.model.strategy import scope_of
from lrwidget.core.model.values import Variable, numpy_of
from lrwidget.core.pickles import pickled
from lrwidget.errors import ConfigError, ModelError


@dataclass(frozen=True)
class PackedModel:
    """A compiled model that can be pickled.

    Attributes:
        file: The .keras file; its optimizer has a constant learning rate.
        state: The values of all variables that training changes, besides those of optimizers.
        slots: The values of the variables of each optimizer, except its learning rate.
        classes: Classes and functions of the user that the file refers to, by name.
        backend: Keras' backend.
        floatx: Keras' default type of floats.
        policy: Keras' default dtype policy.
    """

    file: bytes
    state: list[Any]
    slots: list[list[Any]]
    classes: dict[str, Any]
    backend: str
    floatx: str
    policy: Any

    @classmethod
    def of(cls, model: keras.Model) -> "PackedModel":
        """Return a model that is built, with its state now.

        Raises:
            ModelError: Keras cannot save the model.
        """
        try:
            file = _file_of(model)
        except Exception as error:
            raise ModelError(
                "The model cannot be sent to a worker, because Keras cannot save it: "
                f"{type(error).__name__}: {error} Fix this, or leave `executor` out."
            ) from error
        return cls(
            file=file,
            state=[numpy_of(each) for each in _state_without_optimizers(model)],
            slots=[
                [numpy_of(variable) for variable in slots_of(each).values()]
                for each in optimizers_of(model)
            ],
            classes=_classes_of(model),
            backend=keras.backend.backend(),
            floatx=keras.config.floatx(),
            policy=keras.config.dtype_policy().name,
        )

    def load(self) -> keras.Model:
        """Return a copy of the model; `set_state` sets its state once it is built.

        Raises:
            ConfigError: This process runs another backend.
            Exception: Keras cannot load it.
        """
        if keras.backend.backend() != self.backend:
            raise ConfigError(
                f"The worker runs Keras on {keras.backend.backend()}, and this comparison on "
                f"{self.backend}. Set KERAS_BACKEND={self.backend} for the workers."
            )
        keras.config.set_floatx(self.floatx)
        keras.config.set_dtype_policy(self.policy)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(self.file)
            return keras.models.load_model(path, custom_objects=self.classes, safe_mode=False)

    def set_state(self, model: keras.Model) -> None:
        """Give the state to a copy of the model that is built.

        Raises:
            ModelError: The copy has other variables.
        """
        variables = _state_without_optimizers(model)
        for optimizer in optimizers_of(model):
            if not optimizer.built:
                with scope_of(model):
                    optimizer.build(list(model.trainable_variables))
        slots = [list(slots_of(each).values()) for each in optimizers_of(model)]
        if _shapes([variables, *slots]) != _shapes([self.state, *self.slots]):
            raise ModelError(
                f"the copy holds {len(variables)} variables and {sum(map(len, slots))} slots of "
                f"optimizers, and the model {len(self.state)} and {sum(map(len, self.slots))}, "
                "or their shapes differ. Keras must save everything that the model holds."
            )
        values = [self.state, *self.slots]
        for each, saved in zip([variables, *slots], values, strict=True):
            for variable, value in zip(each, saved, strict=True):
                variable.assign(value)


def _shapes(groups: list[list[Any]]) -> list[list[tuple[int, ...]]]:
    return [[tuple(each.shape) for each in group] for group in groups]


def place_of(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> int:
    """Return the number of an optimizer among those that a model holds."""
    return next(number for number, each in enumerate(_members(model)) if each is optimizer)


def member_at(model: keras.Model, place: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a model for which `place_of` returned a number."""
    return _members(model)[place]


def _members(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    return [each for head in optimizers_of(model) for each in family_of(head)]


def _state_without_optimizers(model: keras.Model) -> list[Variable]:
    of_optimizers = {
        id(variable)
        for each in _members(model)
        for variable in (*each.variables, *every_variable_of(each))
    }
    return [each for each in state_variables(model) if id(each) not in of_optimizers]


def _file_of(model: keras.Model) -> bytes:
    """Return the file that Keras saves; a schedule, which need not be serializable, is left out."""
    with tempfile.TemporaryDirectory() as folder, _constant_rate(model):
        path = Path(folder) / "model.keras"
        keras.saving.save_model(model, path)
        return path.read_bytes()


@contextmanager
def _constant_rate(model: keras.Model) -> Iterator[None]:
    """Let a model hold a copy of its optimizer that has a constant learning rate."""
    old, compiled = getattr(model, "optimizer", None), compile_config_of(model)
    if old is None or compiled is None:
        yield
        return
    new = made_from(recipe_of(old))
    with scope_of(model):
        new.build(list(model.trainable_variables))
    config = compiled.config
    compiled.config = {**config, "optimizer": new}
    try:
        with swapped(model, old, new):
            yield
    finally:
        compiled.config = config


def _classes_of(model: keras.Model) -> dict[str, Any]:
    """Return the user's classes and functions that a saved model may refer to, by name."""
    known = dict(keras.saving.get_custom_objects())
    compiled = getattr(compile_config_of(model), "config", {})
    losses = [compiled.get(name) for name in ("loss", "metrics", "weighted_metrics")]
    held = [
        *layers_of(model),
        *model.metrics,
        *_members(model),
        *keras.tree.flatten(losses),
    ]
    for each in held:
        made = each if hasattr(each, "__qualname__") else type(each)
        if str(made.__module__).partition(".")[0] not in ("keras", "builtins"):
            known[made.__name__] = made
    return {name: each for name, each in known.items() if _is_picklable(each)}


def _is_picklable(value: Any) -> bool:
    try:
        pickled(value, "", "")
    except ConfigError:
        return False
    return True
