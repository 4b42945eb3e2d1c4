"""The range test: its settings, sweeps, result and callback."""
