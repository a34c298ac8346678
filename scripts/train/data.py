"""The household pictures: CIFAR-100's ten household classes, uint8 [N, 32, 32, 3]."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

LABELS = ("clock", "keyboard", "lamp", "telephone", "television", "bed", "chair", "couch", "table", "wardrobe")
SIDE = 32
# What the shipped network takes, pixels a side. Smaller sizes are for the first part of a run.
FULL_SIZE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pictures:
    """`pixels` are floats in 0..1, [N, 3, 32, 32]; `labels` are class numbers, [N]."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: torch.Tensor) -> "Pictures":
        return Pictures(self.pixels[rows], self.labels[rows])

    def mirrored(self) -> "Pictures":
        return Pictures(self.pixels.flip(3), self.labels)


def read_pictures(shared: Path, split: str) -> Pictures:
    """Reads household_<split>.bin and its labels; split is 'train' or 'test'."""
    raw = np.fromfile(shared / "data" / f"household_{split}.bin", np.uint8)
    labels = np.fromfile(shared / "data" / f"household_{split}_labels.bin", np.uint8)
    if raw.size != labels.size * SIDE * SIDE * 3:
        raise ValueError(f"household_{split}.bin has {raw.size} bytes, not {labels.size} pictures of {SIDE}x{SIDE}x3")
    pixels = torch.from_numpy(raw.reshape(-1, SIDE, SIDE, 3)).permute(0, 3, 1, 2).float() / 255
    return Pictures(pixels.contiguous(), torch.from_numpy(labels.astype(np.int64)))


def hold_out(pictures: Pictures, count: int = 500, seed: int = 0) -> tuple[Pictures, Pictures]:
    """
    Splits off `count` pictures, the same number of every class: what is chosen is chosen on them, since the test set is
    looked at once, at the end. The split does not depend on the training seed, so every run holds out the same ones.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = pictures.labels.unique().tolist()
    each = count // len(classes)
    held, kept = [], []
    for label in classes:
        rows = torch.nonzero(pictures.labels == label).flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        held.append(rows[:each])
        kept.append(rows[each:])
    return pictures.take(torch.cat(kept)), pictures.take(torch.cat(held))


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """[N, 3, H, W] in 0..1 to what the network takes."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pixels - mean) / std


def enlarge(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """What the shipped preprocessing does with a 32 x 32 picture: normalize, then bilinear without antialiasing."""
    return torch.nn.functional.interpolate(normalize(pixels), size=(size, size), mode="bilinear", align_corners=False)
