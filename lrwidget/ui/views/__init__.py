"""What the widget shows: controls, plot, rules, pick and plan."""
