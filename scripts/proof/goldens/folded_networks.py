"""Writes test/golden/folded-*.json: what the shared .npz files of folded Keras weights answer, in PyTorch, in double.

The forward pass is written here from the network's description, with TensorFlow's SAME padding.
"""

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from generator import fingerprint, image
from record import SEED, floats, write

ROOT = Path(__file__).resolve().parents[3]
SIZE = (224, 224)
LEVELS = [{"cell": 224, "scale": 0.25}, {"cell": 56, "scale": 1.0}, {"cell": 16, "scale": 0.5}]
IMAGES = [0, 1, 2]
FILES = ["photos-first", "keras-mobilenetv3-small-imagenet-notop"]
# Stride, and whether ReLU or hard-swish: MobileNetV3-Small's blocks.
BLOCKS = [(2, F.relu), (2, F.relu), (1, F.relu), (2, F.hardswish)] + [(1, F.hardswish)] * 4
BLOCKS += [(2, F.hardswish), (1, F.hardswish), (1, F.hardswish)]


class Folded:
    def __init__(self, path):
        self.arrays = {name: torch.from_numpy(array).double() for name, array in np.load(path).items()}

    def convolve(self, x, name, stride=1):
        weight, bias = self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"]
        if weight.dim() == 2:
            weight = weight[:, :, None, None]
        return F.conv2d(same(x, weight.shape[2], stride), weight, bias, stride, groups=x.shape[1] // weight.shape[1])

    def block(self, x, name, stride, activate):
        y = x
        if f"{name}.exp.weight" in self.arrays:
            y = activate(self.convolve(y, f"{name}.exp"))
        y = activate(self.convolve(y, f"{name}.dw", stride))
        if f"{name}.se.fc1.weight" in self.arrays:
            gate = F.relu(self.convolve(y.mean((2, 3), keepdim=True), f"{name}.se.fc1"))
            y = y * F.hardsigmoid(self.convolve(gate, f"{name}.se.fc2"))
        y = self.convolve(y, f"{name}.pr")
        return x + y if stride == 1 and x.shape == y.shape else y

    def __call__(self, x):
        x = F.hardswish(self.convolve(x, "stem", 2))
        for index, (stride, activate) in enumerate(BLOCKS):
            x = self.block(x, f"features.{index + 1}", stride, activate)
        features = F.hardswish(self.convolve(x, "last")).mean((2, 3))
        if "head.weight" not in self.arrays:
            return features
        return features @ self.arrays["head.weight"] + self.arrays["head.bias"]


def same(x, kernel, stride):
    """As tf.nn describes it: the odd zero goes to the bottom and to the right."""
    sides = []
    for length in reversed(x.shape[2:]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default=os.environ.get("NEONSENSE_SHARED", str(ROOT.parent / "shared")))
    parser.add_argument("--out", default=str(ROOT / "test" / "golden"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in FILES:
        path = Path(options.shared) / "checkpoints" / f"{name}.npz"
        seed = f"{SEED}/{name}"
        pictures = np.stack([image(seed, index, SIZE, LEVELS) for index in IMAGES])
        outputs = Folded(path)(torch.from_numpy(pictures).permute(0, 3, 1, 2).double()).float().numpy()
        write(
            options.out,
            f"folded-{name}.json",
            {
                "file": f"{name}.npz",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "network": {
                    "seed": seed,
                    "inputSize": list(SIZE),
                    "levels": LEVELS,
                    "inputSha256": fingerprint([("", pictures[0])]),
                },
                "images": IMAGES,
                "range": float(outputs.max() - outputs.min()),
                "logits": floats(outputs),
            },
        )


if __name__ == "__main__":
    main()
