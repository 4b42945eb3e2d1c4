"""Settings for all tests; set before Keras and its backend are imported."""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# On JAX the tests compile the same few steps hundreds of times, which takes most of their time.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.gettempdir() + "/lrwidget-jax-cache")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
