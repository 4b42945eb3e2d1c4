"""A Keras model as training changes it."""
