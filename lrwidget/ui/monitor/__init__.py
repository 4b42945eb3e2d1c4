"""LRMonitor and its figure."""
