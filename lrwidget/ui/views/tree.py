"""Every widget model that a widget is made of, with layouts, styles, scales, axes and marks."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget


def descendants(root: Widget) -> list[Widget]:
    """Return `root` and every model that its synchronized traits lead to, each once, top down.

    `VBox.children` alone misses layouts and styles and all that a bqplot figure is made of.
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
