"""
How far a picture is from all that the classes are, as part of the eleventh answer. A linear layer says "none of these" of what resembles
the other things it has learnt from; what resembles nothing at all it can't tell. Both fit one hidden layer with hard-swish: from 3 on that is
the identity, and hswish(z) - z / 2 is z * z / 6 between -3 and 3 and |z| / 2 beyond.
"""

from dataclasses import dataclass

import numpy as np
import torch
from photos import OTHER

# Directions in which known other things lie outside the classes the most, and drawn ones among all others; what their lengths count.
KNOWN, DRAWN = 16, 16
COUNTS = np.repeat((0.3, 0.4), (KNOWN, DRAWN))
# Of the mean variance, added to each: what hardly ever varies says little.
RIDGE = 0.1
# From here on hard-swish is the identity; and what is left below the least that training pictures gave.
IDENTITY, ROOM = 3.0, 1.25


@dataclass(frozen=True)
class Directions:
    """`weight` [KNOWN + DRAWN, features] and `bias`: coordinates in which pictures of the classes vary by about 1 around 0."""

    weight: np.ndarray
    bias: np.ndarray

    def lengths(self, features: np.ndarray) -> np.ndarray:
        """What the eleventh answer gains by: [N]."""
        at = features @ self.weight.T + self.bias
        return np.where(abs(at) < IDENTITY, at * at / 6, abs(at) / 2) @ COUNTS


def fit(features: np.ndarray, labels: np.ndarray, photographs: np.ndarray) -> Directions:
    """From features [N, F] of pictures that may be learnt from; `photographs` [N] says which are: of other things only these count."""
    mean, spread = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64) + 1e-3
    values = (features - mean) / spread
    classes = [values[labels == label] for label in np.unique(labels[labels < OTHER])]
    means = np.stack([of_class.mean(0) for of_class in classes])
    middle = means.mean(0)
    varies = sum(np.cov(of_class.T) for of_class in classes) / len(classes) + np.cov(means.T)
    varies += RIDGE * np.trace(varies) / len(varies) * np.eye(len(varies))
    others = values[(labels == OTHER) & photographs] - middle
    # Coordinates in which the classes vary by 1 in every direction; then the principal axes of other things in them.
    whiten = np.linalg.inv(np.linalg.cholesky(varies))
    outside = whiten @ (others.T @ others / len(others)) @ whiten.T
    axes = np.linalg.eigh(outside)[1][:, ::-1]
    rest = np.linalg.qr(np.random.default_rng(0).normal(size=(len(axes) - KNOWN, DRAWN)))[0]
    chosen = np.concatenate([axes[:, :KNOWN], axes[:, KNOWN:] @ rest], 1)
    weight = chosen.T @ whiten / spread
    return Directions(weight, -weight @ (mean + middle * spread))


def classifier(
    weight: np.ndarray, bias: np.ndarray, directions: Directions, features: np.ndarray
) -> dict[str, torch.Tensor]:
    """
    A hidden layer and a head that answer what the linear layer `weight` [classes, F], `bias` does, the eleventh with the lengths.
    `features` are those of training pictures: units that pass an answer on have to stay above 3.
    """
    passed, offset = weight.astype(np.float64), bias.astype(np.float64)
    # hswish(z) is z / 2 more than what shall count.
    passed[OTHER] -= COUNTS / 2 @ directions.weight
    offset[OTHER] -= COUNTS / 2 @ directions.bias
    lift = IDENTITY - ROOM * np.minimum(0, (features @ passed.T + offset).min(0))
    counts = np.zeros((len(weight), len(COUNTS)))
    counts[OTHER] = COUNTS
    layers = {
        "hidden.weight": np.concatenate([passed, directions.weight]),
        "hidden.bias": np.concatenate([offset + lift, directions.bias]),
        "head.weight": np.concatenate([np.eye(len(weight)), counts], 1),
        "head.bias": -lift,
    }
    return {name: torch.from_numpy(value).float() for name, value in layers.items()}
