"""ModelNow: which optimizer and learning rate the model has at the moment."""

from dataclasses import dataclass
from typing import Any

import keras

from lrwidget.core.model.learning_rate import get_learning_rate, rate_value


@dataclass(frozen=True)
class ModelNow:
    """What the next step of the model's training would use.

    Attributes:
        model: Name of the model; empty without one.
        optimizer: Class of its optimizer; empty if there is none or more than one.
        lr: Learning rate of the next step; None if it is not known.
        schedule: Class of the schedule in force; empty for a constant.
    """

    model: str = ""
    optimizer: str = ""
    lr: float | None = None
    schedule: str = ""

    @classmethod
    def of(cls, model: keras.Model, optimizer: Any, learning_rate: Any) -> "ModelNow":
        """Look at a model.

        Args:
            model: A compiled model.
            optimizer: The optimizer that the user chose; None for that of the model.
            learning_rate: What the user passed as the learning rate, in place of an optimizer.
        """
        name = str(model.name)
        if learning_rate is not None:
            return cls(name)
        chosen = optimizer or getattr(model, "optimizer", None)
        if chosen is None:
            return cls(name)
        kind = type(chosen).__name__
        try:
            rate = get_learning_rate(chosen)
            is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
            return cls(name, kind, rate_value(chosen), type(rate).__name__ if is_schedule else "")
        except Exception:  # code of the user, such as a schedule; the widget works without it
            return cls(name, kind)
