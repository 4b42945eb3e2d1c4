"""Data of the regret study: from scikit-learn, or made up; small, and split into two halves."""

from collections.abc import Callable

import numpy as np
import sklearn.datasets

from benchmarks.regret import more_kinds
from benchmarks.regret.split import Data, split


def load(name: str) -> Data:
    """Return a data set by name."""
    return (MAKERS | more_kinds.MAKERS)[name]()


def digits() -> Data:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return split(x / 16, y, 10)


def digit_images() -> Data:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return split(x.reshape(-1, 8, 8, 1) / 16, y, 10)


def digit_rows() -> Data:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return split(x.reshape(-1, 8, 8) / 16, y, 10)


def cancer() -> Data:
    x, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    return split(_standard(x), y, 2)


def wine() -> Data:
    x, y = sklearn.datasets.load_wine(return_X_y=True)
    return split(_standard(x), y, 3)


def raw_wine() -> Data:
    """Wine with its columns as they are, up to 1680."""
    x, y = sklearn.datasets.load_wine(return_X_y=True)
    return split(x, y, 3)


def diabetes() -> Data:
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    return split(_standard(x), (y - y.mean()) / y.std(), 0)


def raw_diabetes() -> Data:
    """Diabetes with its targets as they are, 25 to 346."""
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    return split(_standard(x), y, 0)


def sparse_line() -> Data:
    """A line of which 5 of 40 coefficients are not zero, with noise."""
    random = np.random.default_rng(1)
    x = random.normal(size=(600, 40))
    return split(x, x[:, :5].sum(axis=1) + 0.5 * random.normal(size=600), 0)


def waves() -> Data:
    """A number that waves with two inputs; a few targets are far off."""
    random = np.random.default_rng(2)
    x = random.uniform(-2, 2, size=(800, 2))
    return split(x, np.sin(2 * x[:, 0]) * x[:, 1] + 0.1 * random.standard_t(2, size=800), 0)


def spirals() -> Data:
    random = np.random.default_rng(3)
    y, way = np.arange(900) % 3, random.uniform(0.2, 1, 900)
    angle = 5 * way + 2 * np.pi * y / 3 + 0.15 * random.normal(size=900)
    return split(3 * np.stack([way * np.cos(angle), way * np.sin(angle)], axis=1), y, 3)


def noisy_blobs() -> Data:
    """Ten clouds of points; three in ten labels are wrong."""
    random = np.random.default_rng(4)
    y = random.integers(0, 10, 1200)
    x = 2 * random.normal(size=(10, 20))[y] + random.normal(size=(1200, 20))
    return split(x, np.where(random.random(1200) < 0.3, random.integers(0, 10, 1200), y), 10)


def rare_class() -> Data:
    """Two clouds that overlap, one with a twentieth of the points."""
    random = np.random.default_rng(5)
    y = (random.random(1200) < 0.05).astype(int)
    return split(random.normal(size=(1200, 10)) + 0.8 * y[:, None], y, 2)


def crosses() -> Data:
    """Noisy images with a line across, a line down, both or neither."""
    random = np.random.default_rng(6)
    y, x = random.integers(0, 4, 1000), random.normal(scale=0.5, size=(1000, 8, 8, 1))
    for image, label, across, down in zip(x, y, *random.integers(0, 8, (2, 1000)), strict=True):
        image[across] += label % 2
        image[:, down] += label // 2
    return split(x, y, 4)


def counted_tokens() -> Data:
    """Sequences of 8 tokens; which of three kinds comes most often?"""
    random = np.random.default_rng(7)
    x = random.integers(0, 12, (1000, 8))
    counts = np.stack([(x % 3 == kind).sum(axis=1) for kind in range(3)], axis=1)
    return split(x, counts.argmax(axis=1), 3, tokens=12)


def first_token() -> Data:
    """Sequences of 8 tokens; which came first?"""
    x = np.random.default_rng(8).integers(0, 6, (1000, 8))
    return split(x, x[:, 0], 6, tokens=6)


def running_sums() -> Data:
    """Sequences of 8 numbers; what is their sum with falling weights?"""
    x = np.random.default_rng(9).normal(size=(800, 8, 1))
    return split(x, x[:, :, 0] @ 0.8 ** np.arange(8), 0)


def last_token() -> Data:
    """Sequences of 8 tokens; which came last?"""
    x = np.random.default_rng(10).integers(0, 6, (1000, 8))
    return split(x, x[:, -1], 6, tokens=6)


def biggest_number() -> Data:
    """Sequences of 8 numbers; how large is the largest?"""
    x = np.random.default_rng(11).normal(size=(800, 8, 1))
    return split(x, x.max(axis=(1, 2)), 0)


def sign_changes() -> Data:
    """Sequences of 8 numbers; does their sign change up to twice, three times, or more often?"""
    x = np.random.default_rng(12).normal(size=(1000, 8, 1))
    changes = (np.diff(np.sign(x[:, :, 0]), axis=1) != 0).sum(axis=1)
    return split(x, np.digitize(changes, [3, 4]), 3)


def bright_quarter() -> Data:
    """Noisy images; which quarter of it has the bright spot?"""
    random = np.random.default_rng(13)
    y, x = random.integers(0, 4, 1000), random.normal(scale=0.5, size=(1000, 8, 8, 1))
    for image, label, row, column in zip(x, y, *random.integers(0, 3, (2, 1000)), strict=True):
        image[row + 4 * (label // 2) :, column + 4 * (label % 2) :][:2, :2] += 1.5
    return split(x, y, 4)


def iris() -> Data:
    x, y = sklearn.datasets.load_iris(return_X_y=True)
    return split(_standard(x), y, 3)


def raw_cancer() -> Data:
    """Breast cancer with its columns as they are, up to 4254."""
    x, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    return split(x, y, 2)


def even_digits() -> Data:
    """Digits; is the number even?"""
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return split(x / 16, y % 2, 2)


def friedman() -> Data:
    """Friedman's first function, of 5 inputs out of 10, to mean 0 and deviation 1."""
    x, y = sklearn.datasets.make_friedman1(800, noise=1.0, random_state=14)
    return split(x, (y - y.mean()) / y.std(), 0)


def moons() -> Data:
    x, y = sklearn.datasets.make_moons(900, noise=0.25, random_state=15)
    return split(x, y, 2)


def shells() -> Data:
    """Three classes, one around the other, in eight dimensions."""
    x, y = sklearn.datasets.make_gaussian_quantiles(
        n_samples=1200, n_features=8, n_classes=3, random_state=16
    )
    return split(x, y, 3)


def product() -> Data:
    """The product of three numbers out of six, with noise."""
    random = np.random.default_rng(17)
    x = random.uniform(-1.5, 1.5, size=(900, 6))
    return split(x, x[:, :3].prod(axis=1) + 0.1 * random.normal(size=900), 0)


def stripes() -> Data:
    """Noisy images of stripes; in which of four directions do they run?"""
    random = np.random.default_rng(18)
    y, shift = random.integers(0, 4, 1000), random.uniform(0, 2 * np.pi, (1000, 1, 1))
    angle = (np.pi * y / 4)[:, None, None]
    row, column = np.mgrid[:8, :8]
    waves = np.sin(2 * (row * np.sin(angle) + column * np.cos(angle)) + shift)
    return split((waves + random.normal(size=waves.shape))[..., None], y, 4)


def doubled_token() -> Data:
    """Sequences of 8 tokens; is one of them followed by itself?"""
    x = np.random.default_rng(19).integers(0, 10, (1000, 8))
    return split(x, (np.diff(x, axis=1) == 0).any(axis=1), 2, tokens=10)


def next_value() -> Data:
    """Sequences of 8 numbers from a noisy wave; what comes next?"""
    random = np.random.default_rng(20)
    pace, start = random.uniform(0.3, 1.2, (900, 1)), random.uniform(0, 2 * np.pi, (900, 1))
    wave = np.sin(pace * np.arange(9) + start)
    return split((wave[:, :8] + 0.1 * random.normal(size=(900, 8)))[..., None], wave[:, 8], 0)


def brackets() -> Data:
    """Sequences of 8 opening and closing brackets; does one close that was not opened?"""
    x = np.random.default_rng(21).integers(0, 2, (1000, 8))
    return split(x, (np.cumsum(1 - 2 * x, axis=1) < 0).any(axis=1), 2, tokens=2)


MAKERS: dict[str, Callable[[], Data]] = {
    maker.__name__: maker
    for maker in (
        digits,
        digit_images,
        digit_rows,
        cancer,
        wine,
        raw_wine,
        diabetes,
        raw_diabetes,
        sparse_line,
        waves,
        spirals,
        noisy_blobs,
        rare_class,
        crosses,
        counted_tokens,
        first_token,
        running_sums,
        last_token,
        biggest_number,
        sign_changes,
        bright_quarter,
        iris,
        raw_cancer,
        even_digits,
        friedman,
        moons,
        shells,
        product,
        stripes,
        doubled_token,
        next_value,
        brackets,
    )
}


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)
