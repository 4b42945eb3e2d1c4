"""LRFinderWidget: connects its parts and has the Python methods."""
