"""The parts of a Keras model that training changes."""
