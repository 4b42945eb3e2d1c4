"""What LRMonitor records inside a step."""
