"""What the widget knows, with one owner for each fact."""
