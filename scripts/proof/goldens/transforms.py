"""Writes test/golden/transforms-*.json: what the usual recipes really do to a picture, for native/image to agree with.

Usage: python3 scripts/proof/goldens/transforms.py torchvision timm keras     (needs what is named, numpy and Pillow)

Nothing of ours is here: torchvision's own transforms on PIL pictures, the transform that timm makes for a model, and
the data set that Keras reads from a folder.
"""

import importlib
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

GOLDEN = Path(__file__).resolve().parents[3] / "test" / "golden"
SAMPLES = 120
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

# (name, picture height, width)
PICTURES = [
    ("landscape photo", 333, 517),
    ("portrait photo", 640, 361),
    ("wide frame", 270, 1920),
    ("the crop's own size", 256, 256),
    ("thumbnail, enlarged", 32, 32),
    ("tiny and odd", 7, 19),
    ("one pixel", 1, 1),
    ("one column", 90, 1),
]


def random_bytes(seed, count):
    """The top bytes of the linear congruential generator of Numerical Recipes, also written in the test."""
    out = np.empty(count, np.uint8)
    state = seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def noise(seed, height, width):
    return Image.fromarray(random_bytes(seed, height * width * 3).reshape(height, width, 3))


def torchvision_cases():
    """The evaluation half of torchvision's reference recipes, and the squashing many write instead."""
    from torchvision import transforms as t

    bicubic = t.InterpolationMode.BICUBIC
    normalize = [t.ToTensor(), t.Normalize(**IMAGENET)]

    def recipe(*steps):
        transform = t.Compose([*steps, *normalize])
        return lambda picture: transform(picture).permute(1, 2, 0).numpy()

    crop = {"fit": "crop", "antialias": True, "interpolation": "bilinear", **IMAGENET}
    yield "torchvision", "Resize(256), CenterCrop(224)", recipe(t.Resize(256), t.CenterCrop(224))
    yield (
        {**crop, "resize": 288, "size": [192, 272]},
        "Resize(288), CenterCrop((192, 272))",
        recipe(t.Resize(288), t.CenterCrop((192, 272))),
    )
    yield (
        {**crop, "resize": 232, "size": [225, 224], "interpolation": "bicubic"},
        "Resize(232, bicubic), CenterCrop((225, 224))",
        recipe(t.Resize(232, interpolation=bicubic), t.CenterCrop((225, 224))),
    )
    yield (
        {"fit": "squash", "antialias": True, "size": [224, 224], **IMAGENET},
        "Resize((224, 224))",
        recipe(t.Resize((224, 224))),
    )


def timm_cases():
    """The transform timm evaluates a MobileNetV3 with, and its other two ways to crop."""
    from timm.data import create_transform
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg("mobilenetv3_small_100").to_dict()
    known = {"mean": config["mean"], "std": config["std"], "input_size": config["input_size"]}

    def recipe(**options):
        transform = create_transform(**known, **options)
        return lambda picture: transform(picture).permute(1, 2, 0).numpy()

    base = {"size": [224, 224], "antialias": True, **IMAGENET}
    yield "timm", "default", recipe(interpolation=config["interpolation"], crop_pct=config["crop_pct"])
    yield (
        {**base, "fit": "squash", "resize": 248, "interpolation": "bilinear"},
        "crop_mode squash, crop_pct 0.9",
        recipe(interpolation="bilinear", crop_pct=0.9, crop_mode="squash"),
    )
    yield (
        {**base, "fit": "letterbox", "interpolation": "bicubic"},
        "crop_mode border, crop_pct 1",
        recipe(interpolation="bicubic", crop_pct=1.0, crop_mode="border"),
    )


def keras_cases():
    """The data set Keras makes of a folder of pictures, and the rescaling its MobileNetV3 begins with."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    def recipe(picture):
        with tempfile.TemporaryDirectory() as folder:
            picture.save(Path(folder) / "picture.png")
            pixels = keras.utils.image_dataset_from_directory(
                folder, labels=None, image_size=(224, 224), batch_size=1, shuffle=False, verbose=False
            )
            rescaled = keras.layers.Rescaling(1.0 / 127.5, offset=-1.0)(next(iter(pixels)))
            return np.array(rescaled)[0]

    yield "keras", "image_dataset_from_directory", recipe


LIBRARIES = {"torchvision": torchvision_cases, "timm": timm_cases, "keras": keras_cases}


def main(names):
    unknown = [name for name in names if name not in LIBRARIES]
    if unknown or not names:
        sys.exit(f"usage: transforms.py {' '.join(LIBRARIES)} (some of them)")
    for library in names:
        cases = []
        for preprocessing, recipe_name, recipe in LIBRARIES[library]():
            for seed, (name, height, width) in enumerate(PICTURES, start=1):
                output = recipe(noise(seed, height, width)).astype(np.float32)
                flat = output.reshape(-1)
                chosen = np.sort(np.random.default_rng(seed).choice(flat.size, SAMPLES, replace=False))
                cases.append(
                    {
                        "name": f"{recipe_name}: {name}",
                        "seed": seed,
                        "height": height,
                        "width": width,
                        "preprocessing": preprocessing,
                        "shape": list(output.shape),
                        "indices": chosen.tolist(),
                        "values": [float(f"{v:.8g}") for v in flat[chosen]],
                        "sum": float(flat.astype(np.float64).sum()),
                    }
                )
        made_by = {
            "script": f"scripts/proof/goldens/transforms.py {library}",
            library: importlib.import_module(library).__version__,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "pixels": "LCG 1664525/1013904223 mod 2^32, top byte, state = seed",
        }
        lines = ",\n".join("    " + json.dumps(case) for case in cases)
        path = GOLDEN / f"transforms-{library}.json"
        path.write_text('{\n  "madeBy": ' + json.dumps(made_by) + ',\n  "cases": [\n' + lines + "\n  ]\n}\n")
        print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
