"""The sentences and number formats of the widget."""
