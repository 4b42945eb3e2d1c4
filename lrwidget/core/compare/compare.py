"""compare: trains several variants from the same start on the same batches, and ranks them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import keras

from lrwidget.core.compare.comparing import Comparing
from lrwidget.core.compare.comparison import Comparison
from lrwidget.core.compare.settings import CompareSettings, CompareUpdate
from lrwidget.core.data.reader import StopFlag


def compare(
    model: keras.Model,
    data: Any,
    variants: Any,
    *,
    steps: int,
    validation_data: Any = None,
    seeds: int = 1,
    batch_size: int = 32,
    seed: int | None = None,
    class_weight: dict[int, float] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    monitor: str = "loss",
    stop_early: bool = True,
    rounds: Sequence[int] | None = None,
    executor: Executor | None = None,
    on_update: Callable[[CompareUpdate], object] | None = None,
    stop: StopFlag | None = None,
) -> Comparison:
    """Train every variant from the model's state now, on the same batches, and rank them.

    All variants start from the same weights, the same slots of the optimizer and the same random
    state, and see the same batches in the same order. However the comparison ends, the model, its
    optimizer and the random state are restored bit for bit.

    Args:
        model: A compiled Keras model.
        data: As for `range_test`. Data must be readable more than once.
        variants: A dict of variants by name, or a list of them. A variant is a learning rate; a
            schedule, which starts at its step 0; a Keras optimizer, of which a fresh copy trains
            at its own learning rate; a dict of changes with the keys `learning_rate`,
            `optimizer`, `batch_size` (for arrays) and any number in the optimizer's config, such as
            `weight_decay`; or a function of the number of steps that returns one of these.
        steps: Optimizer updates of each run, from 2 to 100,000.
        validation_data: Data in any of these forms. The score is then the validation loss on the
            first 16 batches at the end (the mean of the last two of ten measurements).
            Without it, the score is the mean training loss of the last tenth of the steps.
        seeds: Runs of each variant, each with another order of the data, from 1 to 100. Data that
            order themselves, such as a generator, keep their order, and count as one seed.
        batch_size: Samples in a batch, if the data are arrays.
        seed: Seed for the orders of the data; None draws one, stored in `settings["seed"]`.
        class_weight: Weight of each class by its number, as for `fit`.
        optimizer: The optimizer that the variants change, for a model that holds several.
        monitor: The name under which the model's own `train_step` returns the loss.
        stop_early: Whether a run ends as "hopeless" once its loss is clearly too far above that of
            the best finished run to catch up.
        rounds: Numbers of steps, increasing, for successive halving: all variants train for the
            first number, the better half of them for the next one, and so on; the last round has
            `steps`. Every round trains from the start, so that no more than one running variant
            is in memory; functions of the number of steps get that of the round.
        executor: Any `concurrent.futures.Executor`, such as a ProcessPoolExecutor with the start
            method "spawn", or that of a Dask client. Every variant and seed is one task there, on
            a copy of the model as Keras saves it, and gives the same numbers as here; `stop_early`
            then saves no time. Data must be arrays or a function that can be pickled. A task that
            fails marks its variant, with the reason. Threads of one process train in turn.
        on_update: Called about ten times a second, in this thread, with a `CompareUpdate`.
        stop: An object such as a `threading.Event`, checked about ten times a second. Once it is
            set, the comparison ends; runs that are not complete are marked "stopped".

    Returns:
        The runs, and their ranking.

    Raises:
        LRWidgetError: A setting, a variant, the model or the data cannot be used. The model is
            unchanged.
        Exception: Any error of the model, the data or `on_update`, raised after the model is
            restored. A variant whose loss becomes NaN or infinite is no error; its run is marked.

    Source: successive halving as in Jamieson and Talwalkar, arXiv:1502.07943.
    """
    settings = CompareSettings.of(
        steps=steps,
        seeds=seeds,
        batch_size=batch_size,
        seed=seed,
        monitor=monitor,
        stop_early=stop_early,
        rounds=rounds,
    )
    comparing = Comparing(
        model,
        data,
        variants,
        settings,
        validation_data=validation_data,
        class_weight=class_weight,
        optimizer=optimizer,
    )
    return comparing.run(on_update, stop, executor=executor)
