"""The visible parts of the widget: controls, plot, rules, pick and plan."""
