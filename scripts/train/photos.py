"""
The photographs and thumbnails as arrays: decoded once, squashed to 224 x 224 as the model file declares it, kept in WORK.

    python3 scripts/train/photos.py SHARED WORK
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
LABELS = ("clock", "keyboard", "lamp", "telephone", "television", "bed", "chair", "couch", "table", "wardrobe", "other")
OTHER = LABELS.index("other")


@dataclass(frozen=True)
class Pictures:
    """`pixels` uint8 [N, S, S, 3]; `labels` [N]; `sources` [N] names; `aspects` [N] width / height before squashing."""

    pixels: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    aspects: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def learnt_of(of: dict[str, np.ndarray], held: dict[str, np.ndarray]) -> np.ndarray:
    """Of what is there for every picture of each kind, that of those that are not held out, one kind behind another."""
    return np.concatenate([of[kind][~held[kind]] for kind in held])


def squash(file: Path) -> tuple[np.ndarray, float]:
    image = Image.open(file).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.BILINEAR)), image.width / image.height


def cache(shared: Path, work: Path, split: str) -> None:
    files, labels = [], []
    for label, name in enumerate(LABELS):
        found = sorted((shared / "data/photos" / split / name).glob("*.webp"))
        files += found
        labels += [label] * len(found)
    pixels = np.lib.format.open_memmap(work / f"{split}.part.npy", "w+", np.uint8, (len(files), SIDE, SIDE, 3))
    aspects = np.empty(len(files), np.float32)
    with ProcessPoolExecutor(2) as pool:
        for index, (picture, aspect) in enumerate(pool.map(squash, files, chunksize=64)):
            pixels[index], aspects[index] = picture, aspect
    pixels.flush()
    sources = np.array([file.name.rsplit("-", 1)[0] for file in files])
    np.savez(work / f"{split}.npz", labels=np.array(labels), sources=sources, aspects=aspects)
    (work / f"{split}.part.npy").replace(work / f"{split}.npy")


def read_photos(shared: Path, work: Path, split: str) -> Pictures:
    if not (work / f"{split}.npy").exists():
        work.mkdir(parents=True, exist_ok=True)
        cache(shared, work, split)
    known = np.load(work / f"{split}.npz")
    return Pictures(np.load(work / f"{split}.npy", mmap_mode="r"), known["labels"], known["sources"], known["aspects"])


def read_thumbnails(shared: Path, split: str) -> Pictures:
    """CIFAR-100's ten household classes, 32 x 32; split is 'train' or 'test'."""
    labels = np.fromfile(shared / "data" / f"household_{split}_labels.bin", np.uint8).astype(np.int64)
    pixels = np.fromfile(shared / "data" / f"household_{split}.bin", np.uint8).reshape(len(labels), 32, 32, 3)
    return Pictures(pixels, labels, np.full(len(labels), "cifar-100"), np.ones(len(labels), np.float32))


if __name__ == "__main__":
    for split in ("train", "test"):
        pictures = read_photos(Path(sys.argv[1]), Path(sys.argv[2]), split)
        print(split, pictures.pixels.shape, np.bincount(pictures.labels, minlength=len(LABELS)))
