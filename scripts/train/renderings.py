#!/usr/bin/env python3
"""
Scores networks on rendered furniture, which none of them has learnt from: like photos, and unlike thumbnails, renderings are
sharp and of any detail. What is chosen for photos (augmentation, the preprocessing a model file declares) is looked at here.

    (mkdir -p build-train && cd build-train && apt-get download sweethome3d-furniture && dpkg-deb -x sweethome3d-furniture_*.deb catalogues)
    python3 scripts/train/renderings.py --catalogues build-train/catalogues NAME...

NAME is a run, a mean of runs, or a .safetensors file in float with its batch norms, such as models/household-fp32.safetensors.
The renderings are not part of this project; the package's copyright file says whose they are.
"""

import argparse
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import train
from confidence import fit_temperature
from data import LABELS, Pictures
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "measure" / "peers"))
from pytorch import read_model

# Pixels a side of a catalogue's pictures, and what they are averaged down to before they are enlarged.
SIDE = 128
REDUCED = (32, 48, 64, SIDE)
PROPERTIES = "PluginFurnitureCatalog.properties"

# By the names in the catalogues. An armchair is as much a couch, a piano's keyboard no keyboard: such names are in none.
NAMES = {
    "clock": ("Clock", "Cuckoo clock"),
    "lamp": (
        *("Lamp", "Desk lamp", "Little lamp", "Pendant lamp", "Pedestal vase lamp", "Chandelier lamp", "Camping lamp"),
        *("Hanging light", "Wall light"),
    ),
    "telephone": ("Phone", "Mobile phone", "Wireless phone", "Apple iPhone"),
    "television": ("TV", "TV 16:9", "Wall flat TV"),
    "bed": (
        *("Bed", "Baby bed", "Bunk bed", "Captain's bed", "Child bed", "Day bed", "Hospital bed", "Iron bed"),
        *("Mezzanine bed", "Crib"),
    ),
    "chair": (
        *("Chair", "Baby high chair", "Bar chair", "Beach chair", "Cafe chair", "Chair with cushion", "Child chair"),
        *("Children chair", "Class seat", "Deck chair", "Folding chair", "Oak chair", "Osaka chair", "Plastic chair"),
        *("Relax chair", "Ryokan chair", "Teck chair"),
    ),
    "couch": (
        *(
            "Couch",
            "Sofa",
            "Burlap sofa",
            "Clear sofa",
            "Convertible sofa BZ",
            "Corner sofa",
            "Futon couch",
            "Rattan sofa",
        ),
        *("Sofa 2 seats", "Sofa 3 seats", "Winchester sofa"),
    ),
    "table": (
        *(
            "Table",
            "Bar table",
            "Black table",
            "Cafe table",
            "Children table",
            "Coffee table",
            "Folding table",
            "Glass table",
        ),
        *("Oak table", "Rattan table", "Round table", "Table on trestles", "Table with tablecloth", "Technical table"),
        *("Wooden alder table", "Wooden table", "Wooden teak table", "Desk", "Desk table", "Wooden desk"),
    ),
    "wardrobe": ("Wardrobe",),
}
LABEL_OF = {name: LABELS.index(label) for label, names in NAMES.items() for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a run, a mean of runs or a .safetensors file")
    parser.add_argument("--catalogues", type=Path, required=True, help="folder with .sh3f files somewhere in it")
    parser.add_argument("--work", type=Path, default=Path("build-train"), help="folder of the runs")
    options = parser.parse_args()
    pictures = read_catalogues(options.catalogues)
    print(f"{len(pictures)} pictures, each also mirrored: share named right and cross entropy at the best temperature")
    print(f"{'averaged down to':24}" + "".join(f"{side:>15}" for side in REDUCED))
    for name in options.names:
        network = of_file(Path(name)) if name.endswith(".safetensors") else train.load(options.work, name)
        cells = [score(network, pictures, side) for side in REDUCED]
        print(f"{Path(name).stem:24}" + "".join(f"{100 * right:7.1f} % {entropy:.3f}" for right, entropy in cells))


def read_catalogues(folder: Path) -> Pictures:
    """The renderings whose names say that they show one of the classes, each once, [N, 3, 128, 128] in 0..1."""
    found: dict[bytes, int] = {}
    for path in sorted(folder.rglob("*.sh3f")):
        for image, label in renderings_in(path):
            found.setdefault(image, label)
    if not found:
        raise ValueError(
            f"{folder} has no .sh3f catalogue with furniture of the classes; see --help for where they come from"
        )
    pixels = torch.stack([on_white(image) for image in found])
    return Pictures(pixels, torch.tensor(list(found.values())))


def renderings_in(path: Path) -> Iterator[tuple[bytes, int]]:
    """Encoded pictures and their labels, in the catalogue's order."""
    with zipfile.ZipFile(path) as catalogue:
        lines = catalogue.read(PROPERTIES).decode("latin-1").splitlines()
        entries = [
            match.groups()
            for match in (re.match(r"\s*(name|icon)#(\d+)\s*=\s*(.*?)\s*$", line) for line in lines)
            if match
        ]
        names = {number: value for key, number, value in entries if key == "name"}
        icons = {number: value for key, number, value in entries if key == "icon"}
        for number, name in names.items():
            if name in LABEL_OF and number in icons:
                yield catalogue.read(icons[number].lstrip("/")), LABEL_OF[name]


def on_white(image: bytes) -> torch.Tensor:
    """[3, 128, 128] in 0..1: transparent pixels white, and white beside or above what is not square."""
    picture = Image.open(io.BytesIO(image)).convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side), (255, 255, 255, 255))
    square.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    if side != SIDE:
        square = square.resize((SIDE, SIDE), Image.BOX if side > SIDE else Image.BILINEAR)
    return torch.from_numpy(np.array(square.convert("RGB"))).permute(2, 0, 1).float() / 255


def score(network: torch.nn.Module, pictures: Pictures, side: int) -> tuple[float, float]:
    """Share named right and cross entropy at the best temperature, of the pictures averaged down to `side` and their mirror images."""
    reduced = Pictures(F.interpolate(pictures.pixels, size=(side, side), mode="area"), pictures.labels)
    logits = torch.cat([train.logits(network, reduced), train.logits(network, reduced.mirrored())])
    labels = torch.cat([pictures.labels, pictures.labels])
    entropy = F.cross_entropy(logits / fit_temperature(logits, labels), labels)
    return float((logits.argmax(1) == labels).float().mean()), float(entropy)


def of_file(path: Path) -> torch.nn.Module:
    """The network of a safetensors file of float32 tensors under torchvision's names, ready to infer."""
    state, _ = read_model(path)
    return train.of_state(state)


if __name__ == "__main__":
    main()
