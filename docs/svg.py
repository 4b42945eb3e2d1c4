"""Save figures as SVG files that read on a light and on a dark page."""

import re
from pathlib import Path

import matplotlib as mpl

# Becomes the color of the text: dark on a light page and light on a dark one.
INK = "#123456"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lrwidget",
    "font.family": "sans-serif",
    "font.size": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_SCHEMES = (
    "<style>svg{color:#24292f}text{font-family:system-ui,sans-serif!important}"
    "@media(prefers-color-scheme:dark){svg{color:#d7dde4}}</style>"
)


def save_svg(figure: "mpl.figure.Figure", path: Path, numbers: str = "") -> None:
    """Save a figure that was drawn with STYLE, the same bytes each time.

    Args:
        figure: A figure of matplotlib.
        path: The file to write.
        numbers: What the figure shows, as text in the file, for a test to compare.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": None, "Description": numbers or None}
    with mpl.rc_context(STYLE):
        figure.savefig(path, metadata=metadata, transparent=True)
    text = path.read_text("utf-8").replace(INK, "currentColor")
    text = re.sub(r"(<svg[^>]*>)", rf"\1{_SCHEMES}", text, count=1)
    path.write_text(text.replace("black", "currentColor"), "utf-8")
