"""All widget models within a widget: also layouts, styles, scales, axes and marks."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget


def descendants(root: Widget) -> list[Widget]:
    """Return `root` and all widget models reachable by synchronized traits, each once, top down.

    `VBox.children` alone misses layouts, styles and the parts of a bqplot figure.
    """
    found: dict[int, Widget] = {}
    waiting = deque([root])
    while waiting:
        widget = waiting.popleft()
        if id(widget) not in found:
            found[id(widget)] = widget
            for name in widget.keys:
                waiting.extend(_widgets_in(getattr(widget, name)))
    return list(found.values())


def _widgets_in(value: Any) -> Iterator[Widget]:
    if isinstance(value, Widget):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _widgets_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _widgets_in(item)
