"""
Views of pictures: random crops, light, blur and backgrounds, drawn once, sent through the layers that stay as ImageNet left them and
through the teacher, and kept in WORK. Training, its variants and the choices between them read the same views, so most of the
network and all of the teacher run once a view.
"""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import teacher
import torch
import torch.nn.functional as F
from frozen import Frozen
from network import FROZEN_CHANNELS, FROZEN_STRIDE, Network
from photos import OTHER, Pictures, read_photos, read_thumbnails
from synthetic import make_synthetic

# Pixels a side: what the network takes of clean views, and the teacher of all; of drawn ones the network takes fewer, which saves time.
CLEAN, DRAWN = 224, 192
BATCH = 32
# Pictures of a class in one drawn view; of other things four times as many.
PER_CLASS = {"photos": 360, "thumbnails": 120, "synthetic": 30}
# In every second drawn view this share of the pictures shows through another one, at most half: no label says what that is, the teacher does.
BLENDED = 0.5


@dataclass(frozen=True)
class View:
    """
    Of one kind of picture: `values` float16 [N, 48, s, s], `rows` [N] says of which pictures they are; `beneath` [N] of which that shows
    through, -1 where none does; `wanted` float16 [N, 1280] are the teacher's features.
    """

    values: np.ndarray
    rows: np.ndarray
    beneath: np.ndarray
    wanted: np.ndarray


def to_float(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [N, H, W, 3] to 0..1 [N, 3, H, W]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255


def clean(pictures: Pictures, rows: np.ndarray) -> torch.Tensor:
    """What the model file's preprocessing makes of them, in 0..1."""
    pixels = to_float(pictures.pixels[rows])
    if pixels.shape[2] == CLEAN:
        return pixels
    return F.interpolate(pixels, size=CLEAN, mode="bilinear", align_corners=False)


def uniform(count: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=random) * (high - low) + low


def drawn(pictures: Pictures, rows: np.ndarray, random: torch.Generator, side: int = CLEAN) -> torch.Tensor:
    """Random views in 0..1, [N, 3, side, side]."""
    thumbnails = pictures.pixels.shape[1] < CLEAN
    pixels = to_float(pictures.pixels[rows])
    count = len(rows)
    if not thumbnails:
        on_other_backgrounds(pixels, random)
    # Half of the photographs get their own aspect ratio back, the others stay squashed; both are then stretched a little.
    aspects = torch.from_numpy(pictures.aspects[rows]).clamp(0.4, 2.5)
    aspects = torch.where(torch.rand(count, generator=random) < 0.5, aspects, torch.ones(())).sqrt()
    stretch = torch.exp(uniform(count, -0.2, 0.2, random))
    area = uniform(count, 0.7, 1.2, random) if thumbnails else uniform(count, 0.25, 1.3, random)
    # In the squashed picture's coordinates: a view as wide as high of a wide photograph covers less of its width.
    across = area.sqrt() * stretch / aspects
    down = area.sqrt() / stretch * aspects
    fit = torch.maximum(across, down).clamp(min=1.3) / 1.3
    across, down = across / fit, down / fit
    turn = torch.randn(count, generator=random) * 0.12
    flip = (torch.rand(count, generator=random) < 0.5).float() * 2 - 1
    at = [(torch.rand(count, generator=random) * 2 - 1) * (1 - share).abs().clamp(min=0.05) for share in (across, down)]
    cos, sin = torch.cos(turn), torch.sin(turn)
    grid = torch.stack(
        [
            torch.stack([cos * across * flip, -sin * across, at[0]], 1),
            torch.stack([sin * down * flip, cos * down, at[1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(grid, (count, 3, side, side), align_corners=False)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    pixels = in_other_light(pixels, random)
    return pixels if thumbnails else less_sharp(pixels, random)


def on_other_backgrounds(pixels: torch.Tensor, random: torch.Generator) -> None:
    """Shop pictures stand on white: in a third of what has much white, it becomes a colour, a ramp or another picture, in place."""
    for index in torch.nonzero(torch.rand(len(pixels), generator=random) < 0.35).flatten().tolist():
        picture = pixels[index]
        if (picture[:, ::8, ::8].amin(0) > 0.94).float().mean() < 0.2:
            continue
        thing = F.max_pool2d((picture.amin(0, keepdim=True) <= 0.94).float(), 3, 1, 1)
        if torch.rand(1, generator=random) < 0.5:
            colours = torch.rand(2, 3, 1, 1, generator=random)
            ramp = torch.linspace(0, 1, pixels.shape[2]).view(1, -1, 1)
            ground = colours[0] * (1 - ramp) + colours[1] * ramp
        else:
            ground = pixels[int(torch.randint(len(pixels), (1,), generator=random))].roll(60, 2)
        pixels[index] = picture * thing + ground * (1 - thing)


def in_other_light(pixels: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    count = len(pixels)
    shape = (count, 1, 1, 1)
    grey = pixels.mean(1, keepdim=True)
    pixels = grey + (pixels - grey) * uniform(count, 0.1, 1.6, random).view(shape)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (pixels - mean) * uniform(count, 0.5, 1.4, random).view(shape) + mean
    tint = torch.exp(torch.randn(count, 3, 1, 1, generator=random) * 0.06)
    return (pixels * uniform(count, 0.6, 1.35, random).view(shape) * tint).clamp(0, 1)


def less_sharp(pixels: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Three in ten lose what a smaller picture would not have, and one in five gets grain."""
    pixels = pixels.clone()
    side = pixels.shape[2]
    for index in range(len(pixels)):
        if torch.rand(1, generator=random) < 0.3:
            small = int(torch.exp(uniform(1, np.log(28), np.log(120), random)))
            small = F.interpolate(pixels[index][None], size=small, mode="bilinear", antialias=True, align_corners=False)
            pixels[index] = F.interpolate(small, size=side, mode="bilinear", align_corners=False)[0]
        if torch.rand(1, generator=random) < 0.2:
            grain = torch.randn(1, side, side, generator=random) * uniform(1, 0.01, 0.07, random)
            pixels[index] = (pixels[index] + grain).clamp(0, 1)
    return pixels


def rows_of_view(sets: dict[str, Pictures], number: int) -> dict[str, np.ndarray]:
    """Which pictures a drawn view is of: of each class as many as there are up to a limit, its sources by turns."""
    random = np.random.default_rng(number)
    chosen = {}
    for kind, pictures in sets.items():
        rows = []
        for label in np.unique(pictures.labels):
            wanted = PER_CLASS[kind] * (4 if label == OTHER else 1)
            of_class = np.nonzero(pictures.labels == label)[0]
            sources = [
                random.permutation(of_class[pictures.sources[of_class] == name])
                for name in np.unique(pictures.sources[of_class])
            ]
            turns = [row for turn in zip_longest(*sources) for row in turn if row is not None]
            rows += turns[:wanted]
        chosen[kind] = np.sort(np.array(rows))
    return chosen


def blended(pixels: torch.Tensor, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch with the picture before it showing through some of its pictures; and through which."""
    through = torch.rand(len(pixels), generator=random) < BLENDED
    share = torch.where(through, uniform(len(pixels), 0, 0.5, random), torch.zeros(())).view(-1, 1, 1, 1)
    return pixels * (1 - share) + pixels.roll(1, 0) * share, through


def make(pictures: Pictures, rows: np.ndarray, lower: Frozen, larger: Frozen, file: Path, number: int) -> None:
    """Writes what `View` has."""
    side = (DRAWN if number else CLEAN) // FROZEN_STRIDE
    part = file.with_suffix(".part.npy")
    values = np.lib.format.open_memmap(part, "w+", np.float16, (len(rows), FROZEN_CHANNELS, side, side))
    beneath, wanted = np.full(len(rows), -1), np.empty((len(rows), teacher.FEATURES), np.float16)
    for start in range(0, len(rows), BATCH):
        here = slice(start, start + BATCH)
        if number == 0:
            pixels = clean(pictures, rows[here])
        else:
            random = torch.Generator().manual_seed(number * 1_000_003 + start)
            pixels = drawn(pictures, rows[here], random)
            if number % 2 == 0:
                pixels, through = blended(pixels, random)
                beneath[here] = np.where(through, np.roll(rows[here], 1), -1)
        wanted[here] = larger(pixels.numpy() * 2 - 1)
        if number:
            pixels = F.interpolate(pixels, size=DRAWN, mode="bilinear", antialias=True, align_corners=False)
        values[here] = lower(pixels.numpy() * 2 - 1)
    values.flush()
    np.savez(file.with_suffix(".npz"), rows=rows, beneath=beneath, wanted=wanted)
    part.replace(file)


def read_sets(shared: Path, work: Path) -> dict[str, Pictures]:
    return {
        "photos": read_photos(shared, work, "train"),
        "thumbnails": read_thumbnails(shared, "train"),
        "synthetic": make_synthetic(),
    }


def rows_of(sets: dict[str, Pictures], number: int) -> dict[str, np.ndarray]:
    """Which pictures a view has, in which order: neighbours show through each other and stand on each other's backgrounds."""
    if number == 0:
        return {kind: np.arange(len(pictures)) for kind, pictures in sets.items()}
    return {
        # An order of its own for each kind.
        kind: np.random.default_rng(7 * number + len(kind)).permutation(rows)
        for kind, rows in rows_of_view(sets, number).items()
    }


def make_all(sets: dict[str, Pictures], work: Path, network: Network, number: int) -> None:
    """What is not there yet of a drawn view, or with 0 of the clean one."""
    files = {kind: work / f"{kind}-{number}.npy" for kind in sets}
    if all(file.exists() for file in files.values()):
        return
    rows = rows_of(sets, number)
    lower = Frozen(network, "lower", (3, CLEAN, CLEAN))
    larger = Frozen(teacher.built(teacher.fetch(work)), "forward", (3, CLEAN, CLEAN))
    for kind, file in files.items():
        if not file.exists():
            make(sets[kind], rows[kind], lower, larger, file, number)
            print(f"{file.name}: {len(rows[kind])} pictures", flush=True)


def read(work: Path, kinds: list[str], number: int) -> dict[str, View]:
    found = {}
    for kind in kinds:
        values = np.load(work / f"{kind}-{number}.npy", mmap_mode="r")
        with np.load(work / f"{kind}-{number}.npz") as known:
            found[kind] = View(values, known["rows"], known["beneath"], known["wanted"])
    return found
