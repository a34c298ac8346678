"""MobileNetV3-Small as Keras Applications computes it: batch norms folded, TF "same" padding, input in [-1, 1]."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FEATURES = 576
# Blocks up to this one stay as ImageNet left them; what they give has this many channels and a sixteenth of the pixels a side.
FROZEN_BLOCKS = 8
FROZEN_CHANNELS, FROZEN_STRIDE = 48, 16
# Depthwise kernel side, stride and activation of blocks 1 to 11. Which have an expansion or squeeze and excitation, and how wide they are, is
# read from the weights.
BLOCKS = (
    (3, 2, F.relu),
    (3, 2, F.relu),
    (3, 1, F.relu),
    (5, 2, F.hardswish),
    (5, 1, F.hardswish),
    (5, 1, F.hardswish),
    (5, 1, F.hardswish),
    (5, 1, F.hardswish),
    (5, 2, F.hardswish),
    (5, 1, F.hardswish),
    (5, 1, F.hardswish),
)


class Convolution(nn.Conv2d):
    """A convolution with bias whose weight comes from an array [out, in / groups, k, k] (or [out, in] for 1x1)."""

    def __init__(self, weights: dict[str, np.ndarray], name: str, stride: int = 1, depthwise: bool = False):
        weight = torch.from_numpy(np.array(weights[f"{name}.weight"], np.float32))
        weight = weight[:, :, None, None] if weight.ndim == 2 else weight
        outputs, inputs, side, _ = weight.shape
        groups = outputs if depthwise else 1
        # For odd kernels and even input, "same" is symmetric with stride 1 and puts the odd pixel right and below with stride 2.
        super().__init__(inputs * groups, outputs, side, stride, side // 2 if stride == 1 else 0, groups=groups)
        self.weight.data = weight.contiguous()
        self.bias.data = torch.from_numpy(np.array(weights[f"{name}.bias"], np.float32))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(same(values, self.kernel_size[0]) if self.stride[0] == 2 else values)


def same(values: torch.Tensor, side: int) -> torch.Tensor:
    """TF's "same" padding before a convolution of stride 2, for an even number of pixels."""
    before = side // 2 - 1
    return F.pad(values, (before, side // 2, before, side // 2))


class Excitation(nn.Module):
    def __init__(self, weights: dict[str, np.ndarray], name: str):
        super().__init__()
        self.fc1 = Convolution(weights, f"{name}.fc1")
        self.fc2 = Convolution(weights, f"{name}.fc2")

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        pooled = values.mean((2, 3), keepdim=True)
        return values * F.hardsigmoid(self.fc2(F.relu(self.fc1(pooled))))


class Block(nn.Module):
    def __init__(self, weights: dict[str, np.ndarray], name: str, stride: int, activation):
        super().__init__()
        self.activation = activation
        self.exp = Convolution(weights, f"{name}.exp") if f"{name}.exp.weight" in weights else None
        self.dw = Convolution(weights, f"{name}.dw", stride, depthwise=True)
        self.se = Excitation(weights, f"{name}.se") if f"{name}.se.fc1.weight" in weights else None
        self.pr = Convolution(weights, f"{name}.pr")
        self.residual = stride == 1 and self.pr.out_channels == (self.exp or self.dw).in_channels

    def forward(self, start: torch.Tensor) -> torch.Tensor:
        values = start if self.exp is None else self.activation(self.exp(start))
        values = self.activation(self.dw(values))
        values = self.pr(values if self.se is None else self.se(values))
        return start + values if self.residual else values


class Network(nn.Module):
    """[N, 3, H, W] in -1..1 to logits [N, classes]. State and `.npz` files have the same names."""

    def __init__(self, weights: dict[str, np.ndarray], classes: int):
        super().__init__()
        self.stem = Convolution(weights, "stem", 2)
        self.features = nn.ModuleDict(
            {
                str(index): Block(weights, f"features.{index}", stride, activation)
                for index, (_, stride, activation) in enumerate(BLOCKS, 1)
            }
        )
        self.last = Convolution(weights, "last")
        self.head = nn.Linear(FEATURES, classes)
        if "head.weight" in weights:
            self.head.weight.data = torch.from_numpy(np.array(weights["head.weight"], np.float32)).T.contiguous()
            self.head.bias.data = torch.from_numpy(np.array(weights["head.bias"], np.float32))
        else:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def lower(self, pictures: torch.Tensor) -> torch.Tensor:
        """The layers that are not trained: [N, 48, S / 16, S / 16]."""
        values = F.hardswish(self.stem(pictures))
        for index in range(1, FROZEN_BLOCKS + 1):
            values = self.features[str(index)](values)
        return values

    def upper(self, values: torch.Tensor) -> torch.Tensor:
        """What `lower` gives to pooled features [N, 576]."""
        for index in range(FROZEN_BLOCKS + 1, len(BLOCKS) + 1):
            values = self.features[str(index)](values)
        return F.hardswish(self.last(values)).mean((2, 3))

    def answer(self, values: torch.Tensor) -> torch.Tensor:
        """What `lower` gives to logits."""
        return self.head(self.upper(values))

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.upper(self.lower(pictures.contiguous(memory_format=torch.channels_last)))

    def forward(self, pictures: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        return self.head(F.dropout(self.pooled(pictures), dropout, dropout > 0))


def read(path: Path, classes: int) -> Network:
    with np.load(path) as archive:
        network = Network({name: archive[name] for name in archive.files}, classes)
    return network.to(memory_format=torch.channels_last)


def write(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Under a temporary name first, so that no half of a file is ever found."""
    arrays = {name: value.detach().contiguous().numpy() for name, value in state.items()}
    for name in ("hidden.weight", "head.weight"):
        if name in arrays:
            arrays[name] = np.ascontiguousarray(arrays[name].T)
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)
