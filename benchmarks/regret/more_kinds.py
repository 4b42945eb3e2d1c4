"""Data of kinds that the first tasks lack: raw pictures, text, hard borders, flat starts, heads."""

from collections.abc import Callable

import numpy as np
import sklearn.datasets

from benchmarks.regret.split import Data, split

_LETTERS = "abcdefghijklmnopqrstuvwxyz .,"


def raw_digits() -> Data:
    """Digits as gray values from 0 to 255."""
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return split(x / 16 * 255, y, 10)


def far_waves() -> Data:
    """A number that waves with two inputs around 30: the first losses are large."""
    random = np.random.default_rng(30)
    x = random.uniform(-2, 2, size=(800, 2))
    y = 30 + 3 * np.sin(2 * x[:, 0]) * x[:, 1] + 0.3 * random.normal(size=800)
    return split(x, y, 0)


def checkers() -> Data:
    """Points on a board of 4 by 4 fields; on a black one or a white one?"""
    x = np.random.default_rng(31).uniform(-2, 2, size=(1200, 2))
    return split(x, np.floor(x).sum(axis=1) % 2, 2)


def photo_tiles() -> Data:
    """Tiles of two photos; from which one?"""
    return _tiles(sklearn.datasets.load_sample_images().images, 32)


def outlines() -> Data:
    """Pictures of a square, a cross or a bar of any brightness on a background that shades."""
    random = np.random.default_rng(33)
    y, x = random.integers(0, 3, 1200), 0.1 * random.normal(size=(1200, 12, 12, 1))
    place = np.arange(12) / 12
    for image, label, row, column in zip(x, y, *random.integers(0, 7, (2, 1200)), strict=True):
        image += (random.uniform(-1, 1) * place)[:, None, None]
        mark = np.zeros((5, 5))
        if label == 0:
            mark[[0, -1]] = mark[:, [0, -1]] = 1
        elif label == 1:
            mark[2] = mark[:, 2] = 1
        else:
            mark[1:3] = 1
        image[row : row + 5, column : column + 5, 0] += random.uniform(0.4, 1) * mark
    return split(x, y, 3)


def odd_signs() -> Data:
    """Eight signs; is the number of minus signs among the first three odd?"""
    x = np.random.default_rng(34).choice([-1.0, 1.0], size=(1000, 8))
    return split(x, x[:, :3].prod(axis=1) < 0, 2)


def text() -> Data:
    """Eight characters of English text; which is the next?"""
    return _next_letters(sklearn.datasets.load_breast_cancer().DESCR, 35)


def digit_and_ink() -> Data:
    """Two heads: which digit, and how much ink it takes, to mean 0 and deviation 1."""
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    ink = x.sum(axis=1)
    return split(x / 16, np.stack([y, (ink - ink.mean()) / ink.std()], axis=1), 10, heads=True)


def hidden_line() -> Data:
    """A line of eight inputs under noise of twice its size."""
    random = np.random.default_rng(36)
    x = random.normal(size=(1200, 8))
    return split(x, x.sum(axis=1) / 8**0.5 + 2 * random.normal(size=1200), 0)


def raw_iris() -> Data:
    """Iris in millimeters."""
    x, y = sklearn.datasets.load_iris(return_X_y=True)
    return split(10 * x, y, 3)


def rings() -> Data:
    """Pictures of a ring or a disc anywhere, under noise."""
    random = np.random.default_rng(41)
    y, center = random.integers(0, 2, 1000), random.uniform(4, 8, (2, 1000, 1, 1))
    row, column = np.mgrid[:12, :12]
    away = np.hypot(row - center[0], column - center[1])
    hole = (away < 1.5) & (y == 1)[:, None, None]
    x = ((away < 3) & ~hole) + 0.3 * random.normal(size=away.shape)
    return split(x[..., None], y, 2)


def boxes() -> Data:
    """Points in three dimensions; which of eight boxes, in four colors, are they in?"""
    x = np.random.default_rng(42).uniform(-1.5, 1.5, size=(1200, 3))
    return split(x, (x > 0) @ np.array([1, 2, 3]) % 4, 4)


def vowel_next() -> Data:
    """Eight characters of English text; is the next one a vowel?"""
    whole = _next_letters(sklearn.datasets.load_diabetes().DESCR, 43)
    vowels = [_LETTERS.index(letter) for letter in "aeiou"]
    (train_x, train_y), (held_x, held_y) = whole.train, whole.validation
    train, held = (np.isin(y, vowels).astype("int32") for y in (train_y, held_y))
    return Data((train_x, train), (held_x, held), 2, tokens=whole.tokens)


def inversions() -> Data:
    """Sequences of 8 numbers; how far are they from sorted, in three classes?"""
    x = np.random.default_rng(44).normal(size=(1000, 8, 1))
    flat = x[:, :, 0]
    counts = np.triu(flat[:, :, None] > flat[:, None], 1).sum(axis=(1, 2))
    return split(x, np.digitize(counts, [12, 16]), 3)


def far_friedman() -> Data:
    """Friedman's first function as it is, with a mean of 14."""
    x, y = sklearn.datasets.make_friedman1(800, noise=1.0, random_state=45)
    return split(x, y, 0)


def noisy_bowl() -> Data:
    """The squared distance from the middle in five dimensions, under noise of twice its size."""
    random = np.random.default_rng(46)
    x = random.normal(size=(1200, 5))
    bowl = (x**2).sum(axis=1)
    return split(x, (bowl - bowl.mean()) / bowl.std() + 2 * random.normal(size=1200), 0)


def same_signs() -> Data:
    """Six numbers; have the first two the same sign as the product of the next two?"""
    x = np.random.default_rng(47).uniform(-1, 1, size=(1200, 6))
    return split(x, x[:, :4].prod(axis=1) > 0, 2)


def wine_and_alcohol() -> Data:
    """Two heads: which wine, and its alcohol."""
    x, y = sklearn.datasets.load_wine(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return split(x[:, 1:], np.stack([y, x[:, 0]], axis=1), 3, heads=True)


def flipped_cancer() -> Data:
    """Breast cancer; three in ten labels are the wrong one."""
    x, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    flipped = np.random.default_rng(48).random(len(y)) < 0.3
    return split((x - x.mean(axis=0)) / x.std(axis=0), np.where(flipped, 1 - y, y), 2)


def ends_alike() -> Data:
    """Sequences of 8 tokens; are the first and the last the same?"""
    random = np.random.default_rng(49)
    x = random.integers(0, 5, (1000, 8))
    x[::2, -1] = x[::2, 0]
    return split(x, x[:, 0] == x[:, -1], 2, tokens=5)


def photo_heights() -> Data:
    """Tiles of a photo; from its upper, middle or lower third?"""
    photo = sklearn.datasets.load_sample_image("china.jpg")
    return _tiles(np.array_split(photo, 3), 24)


def _tiles(photos: list[np.ndarray], across: int) -> Data:
    """Return tiles of 8 by 8 pixels, scaled to [0, 1], with the index of their photo."""
    tiles, labels = [], []
    for label, photo in enumerate(photos):
        high, wide = photo.shape[0] // 8 - 1, photo.shape[1] // 8 - 1
        for row in np.linspace(0, high, 20).astype(int):
            for column in np.linspace(0, wide, across).astype(int):
                tiles.append(photo[8 * row : 8 * row + 8, 8 * column : 8 * column + 8])
                labels.append(label)
    return split(np.array(tiles) / 255, np.array(labels), len(photos))


def _next_letters(words: str, seed: int) -> Data:
    """Return windows of 8 characters of a text with the one that follows."""
    kept = " ".join("".join(c for c in words.lower() if c in _LETTERS + "\n").split())
    codes = np.array([_LETTERS.index(c) for c in kept])
    starts = np.random.default_rng(seed).permutation(len(codes) - 8)[:1500]
    windows = codes[starts[:, None] + np.arange(9)]
    return split(windows[:, :8], windows[:, 8], len(_LETTERS), tokens=len(_LETTERS))


MAKERS: dict[str, Callable[[], Data]] = {
    maker.__name__: maker
    for maker in (
        raw_digits,
        far_waves,
        checkers,
        photo_tiles,
        outlines,
        odd_signs,
        text,
        digit_and_ink,
        hidden_line,
        raw_iris,
        rings,
        boxes,
        vowel_next,
        inversions,
        far_friedman,
        noisy_bowl,
        same_signs,
        wine_and_alcohol,
        flipped_cancer,
        ends_alike,
        photo_heights,
    )
}
