"""All kinds of data that `fit` takes, as one stream of batches."""
