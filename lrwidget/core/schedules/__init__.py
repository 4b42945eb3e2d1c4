"""Schedules of learning rates and momentum over the training steps."""
