"""
Training pictures from thumbnails. A network that has only seen enlarged 32 x 32 pictures fails on sharp photographs, so
besides the usual geometry and colour a share of the pictures gets what real photographs have: hard edges, fine
texture, grain, other backgrounds, small or cut-off objects, other blur.
"""

import math

import torch
import torch.nn.functional as F
from data import FULL_SIZE, normalize


class Augmentation:
    """
    Makes batches [N, 3, size, size], normalized, from pixels [N, 3, 32, 32] in 0..1. `generator` decides all.

    Each batch comes in two views: `hard` is what the student gets; `clean` is the same pictures before texture, grain
    and erasing, for teachers that have not learnt to see through those.
    """

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def __call__(self, pixels: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = self.replace_backgrounds(pixels, share=0.2)
        pixels = self.jitter_colours(pixels)
        clean = self.sample(pixels, size).clamp_(0, 1)
        hard = self.add_detail(clean.clone(), share=0.1).clamp_(0, 1)
        return self.erase(normalize(hard), share=0.25), normalize(clean)

    def lightly(self, pixels: torch.Tensor, size: int) -> torch.Tensor:
        """The pictures as they come, [N, 3, size, size], normalized: some mirrored, all moved and scaled a little."""
        count = len(pixels)
        theta = torch.zeros(count, 2, 3)
        scale = self.uniform(count, low=0.9, high=1.05)
        theta[:, 0, 0] = scale * torch.where(torch.rand(count, generator=self.generator) < 0.5, -1.0, 1.0)
        theta[:, 1, 1] = scale
        theta[:, :, 2] = self.uniform(count, 2, low=-0.08, high=0.08)
        grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
        return normalize(F.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator)

    def chance(self, probability: float) -> bool:
        return bool(torch.rand((), generator=self.generator) < probability)

    def choose(self, count: int, share: float) -> torch.Tensor:
        """Rows of a random part of a batch."""
        return torch.nonzero(torch.rand(count, generator=self.generator) < share).flatten()

    def replace_backgrounds(self, pixels: torch.Tensor, share: float) -> torch.Tensor:
        """
        Catalogue pictures stand on plain white. Where the border is one colour, what looks like it becomes a colour
        gradient or a blurred part of another picture, so that the class is not read off the white.
        """
        border = torch.cat([pixels[:, :, 0], pixels[:, :, -1], pixels[:, :, :, 0], pixels[:, :, :, -1]], 2)
        colour = border.median(2).values
        plain = (border - colour[:, :, None]).abs().mean((1, 2)) < 0.04
        chosen = plain & (torch.rand(len(pixels), generator=self.generator) < share)
        rows = torch.nonzero(chosen).flatten()
        if len(rows) == 0:
            return pixels
        distance = (pixels[rows] - colour[rows][:, :, None, None]).abs().amax(1, keepdim=True)
        foreground = ((F.avg_pool2d(F.max_pool2d(distance, 3, 1, 1), 3, 1, 1) - 0.06) / 0.10).clamp(0, 1)
        others = pixels[torch.randint(len(pixels), (len(rows),), generator=self.generator)]
        blurred = F.interpolate(F.adaptive_avg_pool2d(others, 8), size=32, mode="bilinear", align_corners=False)
        corners = F.interpolate(self.uniform(len(rows), 3, 2, 2), size=32, mode="bilinear", align_corners=True)
        use_gradient = (torch.rand(len(rows), 1, 1, 1, generator=self.generator) < 0.5).float()
        behind = use_gradient * corners + (1 - use_gradient) * blurred
        mixed = pixels.clone()
        mixed[rows] = foreground * pixels[rows] + (1 - foreground) * behind
        return mixed

    def jitter_colours(self, pixels: torch.Tensor) -> torch.Tensor:
        """Brightness, contrast, saturation, white balance. On the thumbnail: enlarging is linear and commutes."""
        count = len(pixels)
        grey = pixels.mean(1, keepdim=True)
        saturation = self.uniform(count, 1, 1, 1, low=0.5, high=1.5)
        saturation[self.choose(count, 0.06)] = 0
        pixels = grey + (pixels - grey) * saturation
        mean = pixels.mean((1, 2, 3), keepdim=True)
        pixels = mean + (pixels - mean) * self.uniform(count, 1, 1, 1, low=0.65, high=1.35)
        pixels = pixels * self.uniform(count, 1, 1, 1, low=0.7, high=1.3)
        return (pixels * self.uniform(count, 3, 1, 1, low=0.92, high=1.08)).clamp(0, 1)

    def sample(self, pixels: torch.Tensor, size: int) -> torch.Tensor:
        """Flip, scale, aspect, rotation and shift straight to [size, size], by different interpolations."""
        count = len(pixels)
        scale = self.uniform(count, low=0.75, high=1.1)
        # Objects far away: the picture covers only part of the frame, its mirror image the rest.
        far = self.choose(count, 0.1)
        scale[far] = self.uniform(len(far), low=1.1, high=1.9)
        aspect = torch.exp(self.uniform(count, low=-0.25, high=0.25))
        angle = self.uniform(count, low=-0.21, high=0.21)
        flip = torch.where(torch.rand(count, generator=self.generator) < 0.5, -1.0, 1.0)
        room = (1.1 - scale).abs().clamp(min=0.12)
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0] = scale * aspect.sqrt() * angle.cos() * flip
        theta[:, 0, 1] = -scale * aspect.sqrt() * angle.sin()
        theta[:, 1, 0] = scale / aspect.sqrt() * angle.sin() * flip
        theta[:, 1, 1] = scale / aspect.sqrt() * angle.cos()
        theta[:, :, 2] = self.uniform(count, 2, low=-1, high=1) * room[:, None]
        grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
        large = torch.empty(count, 3, size, size)
        pick = torch.rand(count, generator=self.generator)
        for mode, low, high in (("bilinear", 0.0, 0.7), ("bicubic", 0.7, 0.92), ("nearest", 0.92, 1.01)):
            rows = torch.nonzero((pick >= low) & (pick < high)).flatten()
            if len(rows) > 0:
                large[rows] = F.grid_sample(pixels[rows], grid[rows], mode, "reflection", align_corners=False)
        return large

    def add_detail(self, large: torch.Tensor, share: float) -> torch.Tensor:
        """Makes `share` of the pictures sharper, as many rougher and so on, than an enlarged thumbnail can be."""
        for change in (self.harden_edges, self.sharpen, self.add_texture, self.add_grain, self.blur):
            rows = self.choose(len(large), share)
            if len(rows) > 0:
                large[rows] = change(large[rows])
        return large

    def harden_edges(self, large: torch.Tensor) -> torch.Tensor:
        """
        Toggle-mapping shock filter (Kramer and Bruckner 1975): a pixel becomes the neighbourhood's maximum on the bright
        side of an edge and its minimum on the dark side, so that ramps become steps.
        """
        strength = self.uniform(len(large), 1, 1, 1, low=0.3, high=1.0)
        result = large
        for _ in range(1 + int(torch.randint(3, (), generator=self.generator))):
            radius = pixels_at(large, 2)
            grey = box_blur(result.mean(1, keepdim=True), radius)
            bright = grey > box_blur(grey, radius)
            result = torch.where(bright, of_neighbours(torch.maximum, result), of_neighbours(torch.minimum, result))
        return large + (result - large) * strength

    def sharpen(self, large: torch.Tensor) -> torch.Tensor:
        """Unsharp mask."""
        radius = 1 + int(torch.randint(5, (), generator=self.generator))
        soft = box_blur(large, pixels_at(large, radius))
        return large + (large - soft) * self.uniform(len(large), 1, 1, 1, low=0.5, high=3.0)

    def add_texture(self, large: torch.Tensor) -> torch.Tensor:
        """Noise of several wavelengths multiplied on: fabric, wood, wallpaper."""
        count, _, height, width = large.shape
        noise = torch.zeros(count, 1, height, width)
        for octave in range(4, int(math.log2(width)) + 1):
            coarse = self.normal(count, 1, 2**octave, 2**octave) * self.uniform(count, 1, 1, 1, high=0.1)
            noise += F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
        return large * (1 + noise)

    def add_grain(self, large: torch.Tensor) -> torch.Tensor:
        """A sensor's noise, independent per pixel."""
        return large + self.normal(*large.shape) * self.uniform(len(large), 1, 1, 1, high=0.08)

    def blur(self, large: torch.Tensor) -> torch.Tensor:
        radius = 2 + int(torch.randint(6, (), generator=self.generator))
        return box_blur(large, pixels_at(large, radius))

    def erase(self, large: torch.Tensor, share: float) -> torch.Tensor:
        """Random erasing (Zhong et al. 2017): a rectangle of noise of one colour's mean."""
        _, _, height, width = large.shape
        for row in self.choose(len(large), share).tolist():
            area = float(self.uniform(low=0.03, high=0.22)) * height * width
            aspect = math.exp(float(self.uniform(low=-0.8, high=0.8)))
            tall = min(height - 1, max(1, round(math.sqrt(area * aspect))))
            wide = min(width - 1, max(1, round(math.sqrt(area / aspect))))
            top = int(torch.randint(height - tall, (), generator=self.generator))
            left = int(torch.randint(width - wide, (), generator=self.generator))
            large[row, :, top : top + tall, left : left + wide] = self.normal(3, 1, 1)
        return large

    def mix(self, *batches: torch.Tensor) -> list[torch.Tensor]:
        """
        Mixup (Zhang et al. 2017) on three batches in ten, CutMix (Yun et al. 2019) on two. Pictures [N, 3, H, W] and
        rows of class probabilities [N, classes] are mixed by the same pairs and shares.
        """
        draw = float(torch.rand((), generator=self.generator))
        if draw >= 0.5:
            return list(batches)
        order = torch.randperm(len(batches[0]), generator=self.generator)
        if draw < 0.3:
            share = self._beta(0.4)
            return [share * batch + (1 - share) * batch[order] for batch in batches]
        cut = math.sqrt(float(self.uniform(low=0.1, high=0.5)))
        top, left = (float(self.uniform(high=1 - cut)) for _ in range(2))
        return [self._cut(batch, batch[order], top, left, cut) for batch in batches]

    def _cut(self, batch: torch.Tensor, other: torch.Tensor, top: float, left: float, side: float) -> torch.Tensor:
        """Pastes a square of `other`; place and side are shares of the picture. Probabilities mix by its area."""
        if batch.ndim == 2:
            return (1 - side**2) * batch + side**2 * other
        height, width = batch.shape[2:]
        rows = slice(round(top * height), round((top + side) * height))
        columns = slice(round(left * width), round((left + side) * width))
        mixed = batch.clone()
        mixed[:, :, rows, columns] = other[:, :, rows, columns]
        return mixed

    def _beta(self, concentration: float) -> float:
        """A draw of Beta(c, c) through two Gamma draws (torch's own distributions take no generator)."""
        first, second = (self._gamma(concentration) for _ in range(2))
        return first / (first + second) if first + second > 0 else 0.5

    def _gamma(self, shape: float) -> float:
        # Johnk's method holds for shapes below one: Gamma(c) = Exp(1) * Beta(c, 1 - c).
        while True:
            a = float(torch.rand((), generator=self.generator)) ** (1 / shape)
            b = float(torch.rand((), generator=self.generator)) ** (1 / (1 - shape))
            if 0 < a + b <= 1:
                return -math.log(max(float(torch.rand((), generator=self.generator)), 1e-12)) * a / (a + b)


def pixels_at(pictures: torch.Tensor, pixels: int) -> int:
    """A length of `pixels` in a picture of FULL_SIZE, in the pixels of these [N, C, H, W], one at least."""
    return max(1, round(pixels * pictures.shape[3] / FULL_SIZE))


def box_blur(pictures: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over a square of 2 * radius + 1 pixels, edges repeated; one axis after the other, by running sums."""
    for axis in (2, 3):
        length = pictures.shape[axis]
        before, after = pictures.narrow(axis, 0, 1), pictures.narrow(axis, length - 1, 1)
        padded = torch.cat([before] * (radius + 1) + [pictures] + [after] * radius, axis)
        sums = padded.cumsum(axis)
        width = 2 * radius + 1
        pictures = (sums.narrow(axis, width, length) - sums.narrow(axis, 0, length)) / width
    return pictures


def of_neighbours(extreme, pictures: torch.Tensor) -> torch.Tensor:
    """torch.maximum or torch.minimum over each pixel's 3 x 3 neighbourhood."""
    for axis in (2, 3):
        length = pictures.shape[axis]
        inner = pictures.clone()
        inner.narrow(axis, 1, length - 1).copy_(
            extreme(pictures.narrow(axis, 1, length - 1), pictures.narrow(axis, 0, length - 1))
        )
        inner.narrow(axis, 0, length - 1).copy_(
            extreme(inner.narrow(axis, 0, length - 1), pictures.narrow(axis, 1, length - 1))
        )
        pictures = inner
    return pictures
