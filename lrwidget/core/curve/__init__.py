"""A curve of losses over learning rates, read with numpy alone."""
