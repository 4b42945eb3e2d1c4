"""The state of the widget, with one owner for each fact."""
