"""Plans: a picked learning rate as a constant or a schedule, and the code for it."""
