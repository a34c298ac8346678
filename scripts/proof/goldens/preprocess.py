"""Writes test/golden/preprocess.json: what PyTorch makes of seeded pixels, for lib/image/preprocess.ts to agree with.

Usage: python3 scripts/proof/goldens/preprocess.py     (needs torch and numpy)

The area average is exact by construction and shares no code or idea with ours: each axis is repeated until it divides
evenly, then whole blocks are averaged in double. The resize is torch.nn.functional.interpolate itself, in float32.
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import torch

OUTPUT = Path(__file__).resolve().parents[3] / "test" / "golden" / "preprocess.json"
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
SAMPLES = 160

# (name, picture height, width, reduce, size, (mean, std))
CASES = [
    ("thumbnail that needs no average", 32, 32, (32, 32), (224, 224), IMAGENET),
    ("photo, fractional cells on both axes", 333, 517, (32, 32), (224, 224), IMAGENET),
    ("whole cells", 96, 64, (32, 32), (224, 224), IMAGENET),
    ("one pixel longer than the grid", 33, 34, (32, 32), (224, 224), IMAGENET),
    ("one axis shorter than the grid", 20, 75, (32, 32), (224, 224), IMAGENET),
    ("both axes shorter", 7, 19, (32, 32), (224, 224), IMAGENET),
    ("one pixel", 1, 1, (32, 32), (224, 224), IMAGENET),
    ("one row", 1, 100, (32, 32), (48, 64), HALF),
    ("average straight to the input's size", 301, 450, (224, 224), (224, 224), HALF),
    ("resize directly, shrinking", 250, 401, None, (224, 224), IMAGENET),
    ("resize directly, one axis shrinking, one growing", 60, 500, None, (160, 192), HALF),
]


def random_bytes(seed, count):
    """The top bytes of the linear congruential generator of Numerical Recipes, also written in the test."""
    out = np.empty(count, np.uint8)
    state = seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def area_average(pixels, axis, cells):
    length = pixels.shape[axis]
    if length <= cells:
        return pixels
    times = cells // math.gcd(length, cells)
    block = length * times // cells
    moved = np.moveaxis(pixels, axis, 0).repeat(times, axis=0)
    averaged = moved.reshape(cells, block, *moved.shape[1:]).mean(axis=1)
    return np.moveaxis(averaged, 0, axis)


def preprocess(pixels, reduce, size, mean, std):
    averaged = pixels.astype(np.float64)
    if reduce is not None:
        averaged = area_average(area_average(averaged, 0, reduce[0]), 1, reduce[1])
    x = torch.from_numpy(averaged.astype(np.float32)) / 255
    x = (x - torch.tensor(mean)) / torch.tensor(std)
    x = x.permute(2, 0, 1)[None]
    x = torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return x[0].permute(1, 2, 0).contiguous().numpy()


def main():
    cases = []
    for seed, (name, height, width, reduce, size, (mean, std)) in enumerate(CASES, start=1):
        pixels = random_bytes(seed, height * width * 3).reshape(height, width, 3)
        output = preprocess(pixels, reduce, size, mean, std).reshape(-1)
        chosen = np.random.default_rng(seed).choice(output.size, SAMPLES, replace=False)
        chosen.sort()
        cases.append(
            {
                "name": name,
                "seed": seed,
                "height": height,
                "width": width,
                "preprocessing": {
                    **({} if reduce is None else {"reduce": reduce}),
                    "size": size,
                    "mean": mean,
                    "std": std,
                },
                "indices": chosen.tolist(),
                "values": [float(f"{v:.9g}") for v in output[chosen]],
                "sum": float(output.astype(np.float64).sum()),
            }
        )
    made_by = {
        "script": "scripts/proof/goldens/preprocess.py",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "pixels": "LCG 1664525/1013904223 mod 2^32, top byte, state = seed",
    }
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    OUTPUT.write_text('{\n  "madeBy": ' + json.dumps(made_by) + ',\n  "cases": [\n' + lines + "\n  ]\n}\n")
    print(f"{OUTPUT.name}: {len(cases)} cases, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
