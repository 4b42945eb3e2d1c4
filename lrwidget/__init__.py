"""An interactive learning-rate finder for Keras 3.

The public names load on first use, so that `import lrwidget` is quick and loads
neither TensorFlow nor bqplot. A name that does not work on Keras' backend can still be imported,
and raises an LRWidgetError when it is called.
"""

import importlib
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from lrwidget import schedules as schedules
    from lrwidget.core.advice.find_lr import find_lr
    from lrwidget.core.advice.found import FoundLR
    from lrwidget.core.advice.range_tests import RangeTests, range_tests
    from lrwidget.core.compare.compare import compare
    from lrwidget.core.compare.comparison import Comparison
    from lrwidget.core.compare.neighbors import neighbors
    from lrwidget.core.curve.ladder import lr_ladder
    from lrwidget.core.curve.rules import register_rule, unregister_rule
    from lrwidget.core.curve.smoothing import smooth
    from lrwidget.core.curve.suggest import Suggestion, suggest
    from lrwidget.core.model.apply import AppliedLR, apply_lr
    from lrwidget.core.monitor.monitor_drawing import plot_monitors
    from lrwidget.core.range_test.bounds import Bounds, suggest_bounds
    from lrwidget.core.range_test.callback import LRRangeTest
    from lrwidget.core.range_test.loop import range_test_loop
    from lrwidget.core.range_test.range_test import range_test
    from lrwidget.core.range_test.result import RangeTestResult
    from lrwidget.core.schedules.schedule_drawing import plot_schedules
    from lrwidget.errors import LRWidgetError
    from lrwidget.ui.finder.widget import LRFinderWidget
    from lrwidget.ui.monitor.monitor import LRMonitor

_HOMES = {
    "AppliedLR": "lrwidget.core.model.apply",
    "Bounds": "lrwidget.core.range_test.bounds",
    "Comparison": "lrwidget.core.compare.comparison",
    "FoundLR": "lrwidget.core.advice.found",
    "LRFinderWidget": "lrwidget.ui.finder.widget",
    "LRMonitor": "lrwidget.ui.monitor.monitor",
    "LRRangeTest": "lrwidget.core.range_test.callback",
    "LRWidgetError": "lrwidget.errors",
    "RangeTestResult": "lrwidget.core.range_test.result",
    "RangeTests": "lrwidget.core.advice.range_tests",
    "Suggestion": "lrwidget.core.curve.suggest",
    "apply_lr": "lrwidget.core.model.apply",
    "compare": "lrwidget.core.compare.compare",
    "find_lr": "lrwidget.core.advice.find_lr",
    "lr_ladder": "lrwidget.core.curve.ladder",
    "neighbors": "lrwidget.core.compare.neighbors",
    "plot_monitors": "lrwidget.core.monitor.monitor_drawing",
    "plot_schedules": "lrwidget.core.schedules.schedule_drawing",
    "range_test": "lrwidget.core.range_test.range_test",
    "range_tests": "lrwidget.core.advice.range_tests",
    "range_test_loop": "lrwidget.core.range_test.loop",
    "register_rule": "lrwidget.core.curve.rules",
    "schedules": "lrwidget",
    "smooth": "lrwidget.core.curve.smoothing",
    "suggest": "lrwidget.core.curve.suggest",
    "suggest_bounds": "lrwidget.core.range_test.bounds",
    "unregister_rule": "lrwidget.core.curve.rules",
}

_ON_A_BACKEND = {
    "AppliedLR",
    "LRFinderWidget",
    "LRMonitor",
    "LRRangeTest",
    "apply_lr",
    "compare",
    "find_lr",
    "plot_monitors",
    "range_test",
    "range_tests",
    "schedules",
}

__all__ = [
    "AppliedLR",
    "Bounds",
    "Comparison",
    "FoundLR",
    "LRFinderWidget",
    "LRMonitor",
    "LRRangeTest",
    "LRWidgetError",
    "RangeTestResult",
    "RangeTests",
    "Suggestion",
    "apply_lr",
    "compare",
    "find_lr",
    "lr_ladder",
    "neighbors",
    "plot_monitors",
    "plot_schedules",
    "range_test",
    "range_test_loop",
    "range_tests",
    "register_rule",
    "schedules",
    "smooth",
    "suggest",
    "suggest_bounds",
    "unregister_rule",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("lrwidget")
    if name not in _HOMES:
        raise AttributeError(f"module 'lrwidget' has no attribute {name!r}")
    if name in _ON_A_BACKEND:
        backend = importlib.import_module("lrwidget.core.model.backend")
        error = backend.why_unusable(name)
        if error is not None:
            return _that_raises(name, error)
    if name == "schedules":
        return importlib.import_module("lrwidget.schedules")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _that_raises(name: str, error: Exception) -> object:
    """Return a placeholder for a public name that cannot be used; any use raises the error."""

    def unusable(*_args: object, **_settings: object) -> NoReturn:
        raise error.with_traceback(None)

    def unusable_attribute(_self: object, attribute: str) -> NoReturn:
        # Python and its tools look up names with underscores.
        raise AttributeError(attribute) if attribute.startswith("_") else error.with_traceback(None)

    methods = {"__call__": unusable, "__getattr__": unusable_attribute, "__doc__": str(error)}
    return type(name, (), methods)()


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
