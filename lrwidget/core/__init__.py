"""The range test and all it needs; knows Keras and numpy, no widget library."""
