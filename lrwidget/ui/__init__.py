"""The notebook widget; knows the core, does no maths of its own."""
