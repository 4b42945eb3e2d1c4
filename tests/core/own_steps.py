"""Models whose train step or loss is the user's own, on every backend."""

import keras
from keras import layers, ops


class OwnTrainStep(keras.Model):
    """A train step of the user's, and one of the ways to keep the books of its loss."""

    def __init__(self, replaces_metrics, tells, reports):
        super().__init__()
        self.dense = layers.Dense(1)
        self.tracker = keras.metrics.Mean(name="loss")
        self.replaces_metrics, self.tells, self.reports = replaces_metrics, tells, reports

    def call(self, x):
        return self.dense(x)

    @property
    def metrics(self):
        return [self.tracker] if self.replaces_metrics else super().metrics

    def keep_books(self, loss):
        if self.tells:
            self.tracker.update_state(loss)
        if self.reports == "running mean":
            return {"loss": self.tracker.result(), "half": self.tracker.result() / 2}
        return {"loss": loss} if self.reports == "loss" else {"seven": ops.convert_to_tensor(7.0)}

    def train_step(self, *given):
        return getattr(self, f"train_step_of_{keras.backend.backend()}")(*given)

    def loss_of(self, predicted, y):
        return ops.mean(ops.square(y - predicted))

    def train_step_of_tensorflow(self, data):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self.loss_of(self(data[0]), data[1])
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.keep_books(loss)

    def train_step_of_torch(self, data):
        self.zero_grad()
        loss = self.loss_of(self(data[0]), data[1])
        loss.backward()
        gradients = [weight.value.grad for weight in self.trainable_weights]
        self.optimizer.apply(gradients, self.trainable_weights)
        return self.keep_books(loss.detach())

    def train_step_of_jax(self, state, data):
        import jax

        weights, others, slots, sums = state

        def loss_of(weights):
            return self.loss_of(self.stateless_call(weights, others, data[0])[0], data[1])

        loss, gradients = jax.value_and_grad(loss_of)(weights)
        weights, slots = self.optimizer.stateless_apply(slots, gradients, weights)
        with keras.StatelessScope(list(zip(self.metrics_variables, sums, strict=True))) as scope:
            logs = self.keep_books(loss)
        sums = [scope.get_current_value(variable) for variable in self.metrics_variables]
        return logs, (weights, others, slots, sums)


class OwnNames(OwnTrainStep):
    """A running mean that is reported under another name than its own, beside a second one."""

    def __init__(self, replaces_metrics, name="total_loss", reports="loss"):
        super().__init__(replaces_metrics, True, "running mean")
        self.other = keras.metrics.Mean(name="penalty")
        self.tracker = keras.metrics.Mean(name=name)
        self.reported_name = reports

    @property
    def metrics(self):
        return [self.other, self.tracker] if self.replaces_metrics else super().metrics

    def keep_books(self, loss):
        self.other.update_state(ops.sqrt(loss))
        self.tracker.update_state(loss)
        return {self.reported_name: self.tracker.result(), "penalty": self.other.result()}


class OwnLoss(keras.Model):
    """A loss of the user's that tells a running mean inside of what is differentiated."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.tracker = keras.metrics.Mean(name="loss")

    def call(self, x):
        return self.dense(x)

    @property
    def metrics(self):
        return [self.tracker]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(ops.square(y - y_pred))
        self.tracker.update_state(loss)
        return loss
