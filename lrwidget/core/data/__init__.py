"""Whatever `fit` takes, as one stream of batches."""
