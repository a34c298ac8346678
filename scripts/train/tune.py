"""
Small steps from the ImageNet network with a probed head, on drawn views: every tensor moves by a share of its own size, the
lower layers not at all, and what is kept is an average. The features shall say what a larger network's features say of the
picture: that holds what ImageNet taught, and adds what the larger network made of it.
"""

import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from network import FROZEN_BLOCKS, Network
from photos import OTHER

BATCH = 48


@dataclass(frozen=True)
class Recipe:
    """One way to train; what the names of its files stand for."""

    # Drawn views by number, one after another; 0: the clean pictures, of which the teacher's features are.
    views: tuple[int, ...] = (1, 0, 2, 0, 3, 4, 0, 5, 0, 1)
    # A step's size as a share of the root mean square of the tensor's weights.
    step: float = 2e-3
    smoothing: float = 0.05
    dropout: float = 0.1
    # What being unlike the teacher's features counts beside the answers.
    alike: float = 6.0
    # Share of batches whose pictures get a rectangle of another picture, labels mixed alike (CutMix).
    cut: float = 0.3
    left_out: tuple[str, ...] = field(default=())


@dataclass
class View:
    """Activations of one drawn view in memory-mapped parts, their labels or soft targets and what each counts."""

    parts: list[np.ndarray]
    # (part, row in it) of each sample.
    at: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    # The teacher's features, standardized; not a number where it has not seen the picture.
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


def trained(network: Network) -> dict[str, torch.nn.Parameter]:
    frozen = ("stem.", *(f"features.{index}." for index in range(1, FROZEN_BLOCKS + 1)))
    return {name: value for name, value in network.named_parameters() if not name.startswith(frozen)}


def cut_and_mix(
    values: torch.Tensor, targets: tuple[torch.Tensor, ...], random: np.random.Generator
) -> tuple[torch.Tensor, ...]:
    side = values.shape[2]
    share = random.uniform(0.1, 0.4)
    height = int(np.clip(side * math.sqrt(share) * math.exp(random.uniform(-0.3, 0.3)), 2, side - 2))
    width = int(np.clip(share * side * side / height, 2, side - 2))
    top, left = random.integers(side - height + 1), random.integers(side - width + 1)
    partner = torch.from_numpy(random.permutation(len(values)))
    values = values.clone()
    values[:, :, top : top + height, left : left + width] = values[partner, :, top : top + height, left : left + width]
    kept = 1 - height * width / side**2
    return values, *(kept * target + (1 - kept) * target[partner] for target in targets)


def tune(
    network: Network, teller: torch.nn.Linear, recipe: Recipe, read_view, seed: int = 0
) -> dict[str, torch.Tensor]:
    """
    Trains `network` in place, and `teller`, which says the teacher's features from its own; gives the averaged weights of all of
    `network` that moved. `read_view(number)` gives a `View`.
    """
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    moving = trained(network)
    groups = []
    for value in [*moving.values(), *teller.parameters()]:
        value.requires_grad_(True)
        size = max(float(value.detach().square().mean().sqrt()), 1e-2)
        groups.append({"params": [value], "lr": recipe.step * size})
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    average = {name: value.detach().clone() for name, value in moving.items()}
    first = read_view(recipe.views[0])
    total = len(recipe.views) * (len(first.targets) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * min(1, step / total)))
    )
    step, began = 0, time.time()
    for number in recipe.views:
        view = read_view(number)
        order = random.permutation(len(view.targets))
        seen = np.zeros(2)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            values, targets, counts, wanted = view.batch(np.sort(order[start : start + BATCH]))
            if random.random() < recipe.cut:
                values, targets, wanted = cut_and_mix(values, (targets, wanted), random)
            targets = targets * (1 - recipe.smoothing) + recipe.smoothing / targets.shape[1]
            features = network.upper(values)
            logits = network.head(F.dropout(features, recipe.dropout))
            known = ~wanted[:, 0].isnan()
            unlike = (teller(features[known]) - wanted[known]).square().mean(1).sum() / known.sum().clamp(min=1)
            loss = (-(targets * F.log_softmax(logits, 1)).sum(1) * counts).mean() + recipe.alike * unlike
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*moving.values(), *teller.parameters()], 5.0)
            optimizer.step()
            schedule.step()
            step += 1
            seen += np.array([loss.item(), unlike.item()])
            decay = min(0.99, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, value in moving.items():
                    average[name].lerp_(value, 1 - decay)
        loss, unlike = seen / (len(order) // BATCH)
        print(f"view {number}: loss {loss:.3f}, unlike {unlike:.3f}, {time.time() - began:.0f} s", flush=True)
    return average
