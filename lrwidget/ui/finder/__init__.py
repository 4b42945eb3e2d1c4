"""LRFinderWidget: its parts wired together, and its Python methods."""
