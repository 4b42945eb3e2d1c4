"""The range test and everything it needs; uses Keras and numpy, but no widget library."""
