"""The sentences and numbers that a person reads."""
