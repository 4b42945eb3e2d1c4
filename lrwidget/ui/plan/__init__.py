"""What to make of a picked learning rate: a constant or a schedule, and its code."""
