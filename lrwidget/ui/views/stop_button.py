"""StopButton: Stop, which keeps the keyboard's focus from Run on until after the end."""

from typing import Any

from ipywidgets import Button

RESTING = "lrw-resting"


class StopButton(Button):
    """A button that is dimmed and does nothing while nothing runs.

    It is never disabled: a browser takes the focus from a disabled button, and the next key would
    go to the page.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(description="Stop", icon="stop", **options)
        self.is_resting = True

    @property
    def is_resting(self) -> bool:
        """Whether there is nothing to stop."""
        return RESTING in self._dom_classes

    @is_resting.setter
    def is_resting(self, is_resting: bool) -> None:
        (self.add_class if is_resting else self.remove_class)(RESTING)
