"""Compare: several ways to train a model, tried from the same start on the same batches."""
