"""Colors, shapes, axes and the style sheet."""
