"""The notebook widgets, built on the core, which measures and suggests."""
