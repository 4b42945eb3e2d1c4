"""The range test: settings, sweeps, result, and the callback."""
