"""What every engine of training steps shares."""

from lrwidget.core.arrays import FloatArray

Logs = dict[str, FloatArray]
"""What each of some steps reported, by name, each of shape (steps,)."""
