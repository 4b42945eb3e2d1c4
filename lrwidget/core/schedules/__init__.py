"""Learning rates and momentum over the steps."""
