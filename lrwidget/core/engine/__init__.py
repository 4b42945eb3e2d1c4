"""Training steps at given learning rates."""
