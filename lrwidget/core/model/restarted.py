"""RestartedSchedule: a schedule whose step 0 is a later step of the optimizer."""

from typing import Any, NamedTuple

import keras
from keras import ops

from lrwidget.core.schedules.one_cycle import OneCycle, Steps, Tensor, WarmupHoldCosine, registered


@registered
class RestartedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins when an optimizer has already taken steps.

    What an optimizer has counted stays as it is: Adam's bias correction depends on it. A model
    saved with it loads after `import lrwidget.schedules`.

    Args:
        schedule: Any schedule of Keras or lrwidget, or one of the user's.
        start: The optimizer's step that is step 0 of the schedule, >= 0.
        factor: What the schedule's learning rates are multiplied by.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        start: int,
        factor: float = 1.0,
    ) -> None:
        self.schedule, self.start, self.factor = schedule, int(start), float(factor)

    def __call__(self, step: Steps) -> Tensor:
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
    """Return the schedule that a user applied; anything else as it is."""
    return rate.schedule if isinstance(rate, RestartedSchedule) else rate


class ScheduleEnd(NamedTuple):
    """When a schedule ends, after which a `fit` trains on at its last learning rate.

    Attributes:
        schedule: What the user applied.
        length: Its number of steps.
        recorded: How many steps are recorded when it ends.
    """

    schedule: Any
    length: int
    recorded: int

    @classmethod
    def ahead_of(cls, rates: list[Any], recorded: int) -> "ScheduleEnd | None":
        """Return when the first schedule of some optimizers ends, if one knows its end.

        Args:
            rates: Optimizers; what else there is, such as a variable, has no schedule.
            recorded: How many steps are recorded now.
        """
        ends = []
        for optimizer in rates:
            rate = getattr(optimizer, "_learning_rate", None)
            schedule = users_schedule(rate)
            length = _length_of(schedule)
            if length is not None:
                start = rate.start if isinstance(rate, RestartedSchedule) else 0
                done = int(ops.convert_to_numpy(optimizer._iterations))
                ends.append(cls(schedule, length, recorded + start + length - done))
        return min(ends, key=lambda end: end.recorded, default=None)

    def is_passed(self, recorded: int) -> bool:
        """Say whether steps were trained after the end."""
        return recorded > self.recorded

    def message(self, lr: float) -> str:
        """Say that a `fit` trains on at the learning rate `lr`."""
        return (
            f"The {type(self.schedule).__name__} schedule has ended after its {self.length} "
            f"steps, and this `fit` trains on at a learning rate of {lr:.3g}. Apply a new "
            "schedule with `lrwidget.apply_lr`, or plan it for more steps."
        )


def _length_of(schedule: Any) -> int | None:
    """Return how many steps a schedule takes until it stays as it is; None if not known."""
    if isinstance(schedule, OneCycle):
        return schedule.total_steps
    if isinstance(schedule, WarmupHoldCosine):
        return schedule.warmup_steps + schedule.hold_steps + schedule.decay_steps
    if isinstance(schedule, keras.optimizers.schedules.CosineDecay):
        return int(schedule.decay_steps + schedule.warmup_steps)
    return None
