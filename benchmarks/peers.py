"""The same range test with PyTorch and its finders, as far as they are installed.

Each takes the multilayer perceptron of `speed.py` through the same number of steps with Adam.
"""

import contextlib
import importlib.util
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

MIN_LR, MAX_LR = 1e-6, 1e-3


def contestants(x: np.ndarray, y: np.ndarray, batch: int, steps: int) -> dict[str, Callable]:
    """Return what is installed here, by name."""
    if not _installed("torch"):
        return {}
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), batch)
    runs = {"bare PyTorch loop": lambda: _bare_loop(loader, steps)}
    if _installed("torch_lr_finder"):
        runs["torch-lr-finder"] = lambda: _torch_lr_finder(loader, steps)
    if _installed("lightning"):
        runs["Lightning"] = lambda: _lightning(loader, steps)
    if _installed("fastai"):
        runs["fastai"] = lambda: _fastai(loader, steps)
    return runs


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _model() -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def _bare_loop(loader: Any, steps: int) -> None:
    import torch

    model = _model()
    optimizer, done = torch.optim.Adam(model.parameters(), MIN_LR), 0
    loss_function = torch.nn.CrossEntropyLoss()
    while True:
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = loss_function(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss.item()
            done += 1
            if done == steps:
                return


def _torch_lr_finder(loader: Any, steps: int) -> None:
    import torch
    from torch_lr_finder import LRFinder

    model = _model()
    optimizer = torch.optim.Adam(model.parameters(), MIN_LR)
    finder = LRFinder(model, optimizer, torch.nn.CrossEntropyLoss(), device="cpu")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        finder.range_test(loader, end_lr=MAX_LR, num_iter=steps, diverge_th=1e9)


def _lightning(loader: Any, steps: int) -> None:
    import lightning
    import torch
    from lightning.pytorch.tuner import Tuner

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.lr = _model(), MIN_LR

        def training_step(self, batch: Any, _index: int) -> Any:
            inputs, targets = batch
            return torch.nn.functional.cross_entropy(self.model(inputs), targets)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), self.lr)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet = contextlib.redirect_stderr(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), quiet:
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        Tuner(trainer).lr_find(
            Module(),
            loader,
            min_lr=MIN_LR,
            max_lr=MAX_LR,
            num_training=steps,
            early_stop_threshold=None,
        )


def _fastai(loader: Any, steps: int) -> None:
    import fastai.callback.schedule  # noqa: F401  (gives Learner its lr_find)
    import torch
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = torch.nn.CrossEntropyLoss()
        learner = Learner(DataLoaders(loader, loader), _model(), loss_func=loss, path=folder)
        with learner.no_bar():
            learner.lr_find(MIN_LR, MAX_LR, num_it=steps, stop_div=False, show_plot=False)
