"""KeptPicture: the picture of a widget that a saved notebook shows where no kernel runs.

A saved notebook keeps a widget's picture, not its state. The picture is a second output of the
cell, below the widget, because a front end would build the widget again, and lose the focus, if
its own output were replaced. A style rule hides the picture while the widget is alive.
"""

import base64
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from lrwidget.core.curve import drawing
from lrwidget.ui.words.text import KEPT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 719
"""Width of every kept picture in pixels; the style rule finds the picture by this odd number."""

ALIVE = "lrw-alive"
"""CSS class of a widget with a kept picture."""

HIDES_KEPT = (
    f".jp-OutputArea-child:has(.{ALIVE}:not(.jupyter-widgets-disconnected)) "
    f"~ .jp-OutputArea-child:has(img[width='{WIDTH}'], .lrw-kept) {{ display: none; }}"
)
"""The style rule that hides a kept picture while the widget above it is alive."""

_NOTHING_YET = "The last picture of the widget above will be here once there is one."
_ALTERNATIVE = "The last picture of the widget above."
_MOST_PLACES = 5


def png_of(draw: Callable[["Axes"], object]) -> str | None:
    """Return a plot with a line that says what it is, as a PNG in base64; None if that fails."""
    png = drawing.png_of(draw, WIDTH, note=KEPT)
    return None if png is None else base64.b64encode(png).decode("ascii")


def in_notebook() -> bool:
    """Return whether this code runs in a Jupyter kernel."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


class KeptPicture:
    """The picture below a widget, in every cell that shows the widget.

    Args:
        draw: Returns the picture as a PNG in base64; None if there is none.
    """

    def __init__(self, draw: Callable[[], str | None]) -> None:
        self._draw = draw
        self._places: list[str] = []

    def show(self) -> None:
        """Show the picture below what the cell shows so far."""
        self._places = [*self._places, uuid.uuid4().hex][-_MOST_PLACES:]
        self._publish(self._places[-1], self._draw(), update=False)

    def update(self) -> None:
        """Draw the picture again wherever it is shown."""
        if not self._places:
            return
        png = self._draw()
        for place in self._places:
            self._publish(place, png, update=True)

    def _publish(self, place: str, png: str | None, update: bool) -> None:
        from IPython.display import publish_display_data

        data = {"text/plain": _ALTERNATIVE, "image/png": png}
        if png is None:
            said = f'<p class="lrw-kept">{_NOTHING_YET}</p>'
            data = {"text/plain": _NOTHING_YET, "text/html": said}
        metadata = {"image/png": {"width": WIDTH}} if png else {}
        publish_display_data(data, metadata, transient={"display_id": place}, update=update)
