"""What LRMonitor records inside of a step."""
