"""ScheduleEnd: when a schedule ends, so that LRMonitor can warn if a `fit` continues after it."""

from typing import Any, NamedTuple

import keras
from keras import ops

from lrwidget.core.model.host import iterations_of, rate_held_by
from lrwidget.core.model.restarted import RestartedSchedule, users_schedule


class ScheduleEnd(NamedTuple):
    """When a schedule ends; a `fit` then continues at its last learning rate.

    Attributes:
        schedule: The schedule that the user applied.
        length: Its number of steps.
        recorded: The number of recorded steps when it ends.
    """

    schedule: Any
    length: int
    recorded: int

    @classmethod
    def ahead_of(cls, rates: list[Any], recorded: int) -> "ScheduleEnd | None":
        """Return the end of the first schedule to end; None if no schedule has a known length.

        Args:
            rates: Optimizers; anything else, such as a variable, has no schedule.
            recorded: The number of steps recorded now.
        """
        ends = []
        for optimizer in rates:
            is_optimizer = isinstance(optimizer, keras.optimizers.Optimizer)
            rate = rate_held_by(optimizer) if is_optimizer else None
            schedule = users_schedule(rate)
            length = _length_of(schedule)
            if length is not None:
                start = rate.start if isinstance(rate, RestartedSchedule) else 0
                done = int(ops.convert_to_numpy(iterations_of(optimizer)))
                ends.append(cls(schedule, length, recorded + start + length - done))
        return min(ends, key=lambda end: end.recorded, default=None)

    def is_passed(self, recorded: int) -> bool:
        """Return whether steps were trained after the end."""
        return recorded > self.recorded

    def message(self, lr: float) -> str:
        """Return the warning that a `fit` continues at the learning rate `lr`."""
        return (
            f"The {type(self.schedule).__name__} schedule has ended after its {self.length} "
            f"steps, and this `fit` trains on at a learning rate of {lr:.3g}. Apply a new "
            "schedule with `lrwidget.apply_lr`, or plan it for more steps."
        )


def _length_of(schedule: Any) -> int | None:
    """Return the number of steps after which a schedule is constant; None if unknown."""
    if isinstance(schedule, keras.optimizers.schedules.CosineDecay):
        return int(schedule.decay_steps + schedule.warmup_steps)
    length = getattr(schedule, "total_steps", None)
    return length if isinstance(length, int) else None
