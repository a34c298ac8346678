"""What training reads: the samples of one view that may be learnt from, and what each counts."""

from dataclasses import dataclass

import numpy as np
import torch
from photos import OTHER


@dataclass
class Samples:
    """Activations of one view in memory-mapped parts, what they shall be taken for and what each counts."""

    parts: list[np.ndarray]
    # (part, row in it) of each sample.
    at: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    # The teacher's features, standardized.
    wanted: np.ndarray

    def batch(self, samples: np.ndarray) -> tuple[torch.Tensor, ...]:
        values = np.stack([self.parts[part][row] for part, row in self.at[samples]]).astype(np.float32)
        values = torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
        return values, *(torch.from_numpy(of[samples]) for of in (self.targets, self.counts, self.wanted))


def counts_of(labels: np.ndarray) -> np.ndarray:
    """Every class the same in sum, other things three times that; no picture more than 2.5 times the mean."""
    numbers = np.bincount(labels, minlength=OTHER + 1)
    counts = np.where(labels == OTHER, 3.0, 1.0) / numbers[labels]
    counts = counts / counts.mean()
    return np.minimum(counts, 2.5).astype(np.float32)
