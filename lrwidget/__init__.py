"""An interactive learning-rate finder for Keras 3.

The public names load on first use, so that `import lrwidget` is quick and loads
neither TensorFlow nor bqplot.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrwidget import schedules as schedules
    from lrwidget.core.apply import AppliedLR, apply_lr
    from lrwidget.core.callbacks import LRRangeTest
    from lrwidget.core.ladder import lr_ladder
    from lrwidget.core.range_test import range_test
    from lrwidget.core.result import RangeTestResult
    from lrwidget.core.smoothing import smooth
    from lrwidget.core.suggest import Suggestion, suggest
    from lrwidget.errors import LRWidgetError
    from lrwidget.ui.monitor import LRMonitor
    from lrwidget.ui.widget import LRFinderWidget

_HOMES = {
    "AppliedLR": "lrwidget.core.apply",
    "LRFinderWidget": "lrwidget.ui.widget",
    "LRMonitor": "lrwidget.ui.monitor",
    "LRRangeTest": "lrwidget.core.callbacks",
    "LRWidgetError": "lrwidget.errors",
    "RangeTestResult": "lrwidget.core.result",
    "Suggestion": "lrwidget.core.suggest",
    "apply_lr": "lrwidget.core.apply",
    "lr_ladder": "lrwidget.core.ladder",
    "range_test": "lrwidget.core.range_test",
    "schedules": "lrwidget",
    "smooth": "lrwidget.core.smoothing",
    "suggest": "lrwidget.core.suggest",
}

__all__ = [
    "AppliedLR",
    "LRFinderWidget",
    "LRMonitor",
    "LRRangeTest",
    "LRWidgetError",
    "RangeTestResult",
    "Suggestion",
    "apply_lr",
    "lr_ladder",
    "range_test",
    "schedules",
    "smooth",
    "suggest",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("lrwidget")
    if name not in _HOMES:
        raise AttributeError(f"module 'lrwidget' has no attribute {name!r}")
    if name == "schedules":
        return importlib.import_module("lrwidget.schedules")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
