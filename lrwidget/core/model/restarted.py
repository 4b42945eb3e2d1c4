"""RestartedSchedule: a schedule whose step 0 is a later step of the optimizer."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="lrwidget")
class RestartedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins when an optimizer has already taken steps.

    The optimizer's step count does not change, because Adam's bias correction depends on it. A
    model saved with such a schedule loads after `import lrwidget.schedules`.

    Args:
        schedule: Any schedule of Keras or lrwidget, or a custom one.
        start: The optimizer's step that is step 0 of the schedule, >= 0.
        factor: The factor by which the schedule's learning rates are multiplied.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        start: int,
        factor: float = 1.0,
    ) -> None:
        self.schedule, self.start, self.factor = schedule, int(start), float(factor)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step of the optimizer, or of each of an array."""
        lr = self.schedule(ops.maximum(ops.convert_to_tensor(step) - self.start, 0))
        return lr if self.factor == 1.0 else lr * self.factor

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same schedule again."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "start": self.start, "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RestartedSchedule":
        """Make a schedule from what `get_config` returned."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["start"], config["factor"])


def users_schedule(rate: Any) -> Any:
    """Return the schedule that a user applied; other values are returned unchanged."""
    return rate.schedule if isinstance(rate, RestartedSchedule) else rate
