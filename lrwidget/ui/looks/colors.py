"""Colors, shapes and the style sheet of the widget, in one place."""

from dataclasses import dataclass, replace
from importlib.resources import files

from ipywidgets import Label

from lrwidget.ui.looks.kept import HIDES_KEPT
from lrwidget.ui.words.text import plain_name

# Mid tones, readable on JupyterLab's light and dark background alike.
CURVE = "#3b82d6"
PICK = "#e8590c"
EARLIER = "#8a949e"
ZONES = {"too small": "#8a949e", "works": "#0ca678", "breaks": "#e03131"}
"""The zones of learning rates by their names on the plot, from the lowest rates up."""


@dataclass(frozen=True)
class RuleLook:
    """How a rule's marker and button look.

    Args:
        title: Its name on the button.
        marker: A marker of bqplot.
        color: Color of the marker and of its picture on the button.
        outline: The same shape for the button, as a CSS `clip-path`.
        hint: What the rule does, in one sentence.
        size: Area of the marker in pixels.
    """

    title: str
    marker: str
    color: str
    outline: str
    hint: str
    size: int = 90

    @property
    def css_class(self) -> str:
        """The class that puts the shape on the button."""
        return f"lrw-shape-{self.marker}"


RULES = {
    "auto": RuleLook(
        title="auto",
        marker="circle",
        color="#0ca678",
        outline="circle(47%)",
        hint="Start with this one: between where most of the fall begins and where the loss rises.",
        size=200,  # another rule's marker on top of it must not hide it
    ),
    "minimum": RuleLook(
        title="min / 10",
        marker="square",
        color="#9c6ade",
        outline="inset(8%)",
        hint="A tenth of the learning rate with the lowest loss.",
    ),
    "steepest": RuleLook(
        title="steepest",
        marker="triangle-down",
        color="#d6498f",
        outline="polygon(0 8%, 100% 8%, 50% 95%)",
        hint="Where the loss falls fastest per decade of learning rate.",
    ),
    "valley": RuleLook(
        title="valley",
        marker="diamond",
        color="#b7860b",
        outline="polygon(50% 0, 95% 50%, 50% 100%, 5% 50%)",
        hint="Two thirds into the longest fall of the loss.",
    ),
    "slide": RuleLook(
        title="slide",
        marker="triangle-up",
        color="#1f9fb5",
        outline="polygon(50% 5%, 100% 92%, 0 92%)",
        hint="Where most of the fall begins.",
    ),
    "edge": RuleLook(
        title="edge",
        marker="cross",
        color="#7a8790",
        outline="polygon(33% 0, 67% 0, 67% 33%, 100% 33%, 100% 67%, 67% 67%, 67% 100%, 33% 100%,"
        " 33% 67%, 0 67%, 0 33%, 33% 33%)",
        hint="A tenth of the learning rate at which the loss starts to rise.",
    ),
}

OWN_RULE = RuleLook(
    title="",
    marker="rectangle",
    color="#c2571a",
    outline="inset(25% 0)",
    hint="A rule that you registered.",
)


@dataclass(frozen=True)
class VariantLook:
    """How the curve of a variant looks.

    Args:
        color: Its color.
        dash: A line style of bqplot.
        border: The same as a CSS border style, for the legend.
    """

    color: str
    dash: str
    border: str

    @property
    def swatch(self) -> str:
        """A piece of the line, in HTML."""
        style = f"border-top: 3px {self.border} {self.color}"
        return f'<span class="lrw-swatch" style="{style}"></span>'


_VARIANT_COLORS = (
    "#3b82d6", "#e8590c", "#0ca678", "#9c6ade", "#d6498f", "#b7860b", "#1f9fb5", "#7a8790",
)  # fmt: skip
_RUN_COLORS = (EARLIER, "#b7860b", "#9c6ade", "#1f9fb5", "#d6498f", "#7d9c3a", "#a0522d")
_DASHES = (
    ("solid", "solid"),
    ("dashed", "dashed"),
    ("dotted", "dotted"),
    ("dash_dotted", "double"),
)


def variant_look(number: int) -> VariantLook:
    """Return the look of a variant by its place in the list; neighbors differ in both."""
    dash, border = _DASHES[number % len(_DASHES)]
    return VariantLook(_VARIANT_COLORS[number % len(_VARIANT_COLORS)], dash, border)


def run_color(number: int) -> str:
    """Return the color of an earlier run by its number; the first is gray, as a lone one is."""
    return _RUN_COLORS[(number - 1) % len(_RUN_COLORS)]


def of_rule(rule: str) -> RuleLook:
    """Return the look of a rule; rules of the user differ only in their title."""
    return RULES.get(rule) or replace(OWN_RULE, title=plain_name(rule))


def show_as_text(label: Label) -> Label:
    """Keep a front end from typesetting text after a `$` in a label as a formula."""
    for css_class in ("mathjax_ignore", "tex2jax_ignore"):
        label.add_class(css_class)
    return label


def style_sheet() -> str:
    """Return the widget's style sheet, with the shapes of the rules."""
    sheet = files("lrwidget.ui.looks").joinpath("style.css").read_text(encoding="utf-8")
    shapes = (
        f".lrw .{look.css_class}::before {{ background: {look.color}; clip-path: {look.outline}; }}"
        for look in (*RULES.values(), OWN_RULE)
    )
    return "\n".join([sheet, *shapes, HIDES_KEPT])
