"""PlotView: how a person looks at the plot, which changes nothing about the test."""

from traitlets import Bool, Enum, HasTraits

TOOLS = ("pick", "move", "box")


class PlotView(HasTraits):
    """The tool in hand, the zoom and the kind of the loss axis."""

    tool = Enum(TOOLS, "pick", help="What the mouse does: picks, moves and zooms, draws a box.")
    is_zoomed = Bool(False, help="Whether a person has chosen the part of the curve to see.")
    has_log_loss = Bool(False, help="Whether a person wants the loss on a logarithmic axis.")
