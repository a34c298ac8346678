"""
Pictures made by a program: simple drawings of the ten classes, as people's icons and clip art are, and what cameras and tests show that is
no object at all: noise, flat colours, ramps, test patterns, pages of text. None is one of examples/.
"""

import math

import numpy as np
from photos import LABELS, OTHER, SIDE, Pictures
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# Drawn this much larger, then brought down, so that edges are smooth.
SCALE = 2
# Drawings of a class, and pictures of nothing.
EACH, NOTHING = 40, 320
BIG = SIDE * SCALE
WORDS = "the of and to in is that it was for on are as with they be at one have this from or had by hot but some what there".split()


class Pen:
    """Draws in coordinates 0..1 of a box that lies somewhere in the picture, a little turned."""

    def __init__(self, random: np.random.Generator):
        self.random = random
        self.ground = self.colour(0.75) if random.random() < 0.6 else (255, 255, 255)
        self.image = Image.new("RGB", (BIG, BIG), self.ground)
        self.draw = ImageDraw.Draw(self.image)
        size = random.uniform(0.6, 0.98)
        self.width, self.height = size * random.uniform(0.8, 1.0) * BIG, size * random.uniform(0.8, 1.0) * BIG
        self.left = random.uniform(0, BIG - self.width)
        self.top = random.uniform(0, BIG - self.height)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def colour(self, light: float | None = None) -> tuple[int, int, int]:
        """A colour, mostly muted; `light` is its brightness in 0..1."""
        light = self.between(0.1, 0.9) if light is None else light
        tint = self.random.uniform(-1, 1, 3) * self.between(0, 0.25)
        return tuple(int(value) for value in np.clip((light + tint) * 255, 0, 255))

    def wood(self) -> tuple[int, int, int]:
        if self.random.random() < 0.3:
            return self.colour()
        light = self.between(0.35, 1.0)
        return tuple(int(light * value) for value in (200, 140, 85))

    def shade(self, colour: tuple[int, int, int], by: float) -> tuple[int, int, int]:
        return tuple(int(min(255, max(0, value * by))) for value in colour)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.width, self.top + y * self.height

    def box(self, x0: float, y0: float, x1: float, y1: float, fill, radius: float = 0.0, outline=None) -> None:
        corners = (*self.at(x0, y0), *self.at(x1, y1))
        self.draw.rounded_rectangle(corners, radius * self.width, fill, outline, SCALE * 2 if outline else 0)

    def shape(self, points: list[tuple[float, float]], fill) -> None:
        self.draw.polygon([self.at(*point) for point in points], fill)

    def disc(self, x: float, y: float, radius: float, fill, outline=None, width: float = 0.0) -> None:
        x, y = self.at(x, y)
        radius *= min(self.width, self.height)
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, outline, int(width * self.width))

    def line(self, x0: float, y0: float, x1: float, y1: float, fill, width: float) -> None:
        self.draw.line((*self.at(x0, y0), *self.at(x1, y1)), fill, max(1, int(width * self.width)))

    def floor(self, from_y: float) -> None:
        if self.random.random() < 0.4:
            top = self.at(0, from_y)[1]
            self.draw.rectangle((0, top, BIG, BIG), self.shade(self.ground, self.between(0.6, 0.9)))


def clock(pen: Pen) -> None:
    face, hands = pen.colour(pen.between(0.8, 1)), pen.colour(pen.between(0, 0.25))
    if pen.random.random() < 0.2:
        face, hands = hands, face
    pen.width = pen.height = min(pen.width, pen.height)
    pen.disc(0.5, 0.5, 0.5, pen.colour())
    pen.disc(0.5, 0.5, pen.between(0.38, 0.46), face)
    for mark in range(12 if pen.random.random() < 0.5 else 60):
        angle = mark * math.tau / (12 if pen.random.random() < 0 else 60 if mark >= 12 else 12)
        inner = 0.31 if mark % 3 == 0 else 0.34
        pen.line(0.5 + inner * math.sin(angle), 0.5 - inner * math.cos(angle), 0.5 + 0.37 * math.sin(angle),
                 0.5 - 0.37 * math.cos(angle), hands, 0.015)  # fmt: skip
    for length, width in ((0.2, 0.03), (0.31, 0.02), (0.33, 0.008)):
        angle = pen.between(0, math.tau)
        pen.line(0.5, 0.5, 0.5 + length * math.sin(angle), 0.5 - length * math.cos(angle), hands, width)
    pen.disc(0.5, 0.5, 0.025, hands)


def keyboard(pen: Pen) -> None:
    case, key = pen.colour(), pen.colour()
    rows, columns = int(pen.between(4, 7)), int(pen.between(8, 17))
    if pen.random.random() < 0.4:  # so near that it has no edge
        columns = int(pen.between(5, 10))
        pen.left, pen.top, pen.width, pen.height = -0.1 * BIG, -0.1 * BIG, 1.2 * BIG, 1.2 * BIG
        rows = columns
    top = pen.between(0.2, 0.35) if rows != columns else 0.0
    pen.box(0, top, 1, 1 - top, case, 0.02)
    mark = pen.shade(key, 0.4 if sum(key) > 380 else 2.5)
    for row in range(rows):
        y = top + 0.03 + row * (1 - 2 * top - 0.05) / rows
        height = (1 - 2 * top - 0.05) / rows * 0.85
        shift = (row % 3) * 0.015
        for column in range(columns):
            x = 0.02 + shift + column * 0.94 / columns
            pen.box(x, y, x + 0.94 / columns * 0.87, y + height, pen.shade(key, 0.75), 0.01)
            pen.box(x + 0.004, y, x + 0.94 / columns * 0.8, y + height * 0.85, key, 0.01)
            pen.box(x + 0.012, y + 0.012, x + 0.025, y + 0.03, mark)


def lamp(pen: Pen) -> None:
    pen.floor(0.95)
    foot, shade = pen.colour(), pen.colour(pen.between(0.6, 1))
    waist, low = pen.between(0.12, 0.35), pen.between(0.3, 0.55)
    if pen.random.random() < 0.5:
        pen.box(0.47, low, 0.53, 0.95, foot)
    else:
        pen.draw.ellipse((*pen.at(0.5 - waist / 2, low + 0.08), *pen.at(0.5 + waist / 2, 0.92)), foot)
        pen.box(0.48, low, 0.52, 0.95, foot)
    pen.box(0.5 - pen.between(0.12, 0.25), 0.92, 0.5 + pen.between(0.12, 0.25), 1, foot, 0.02)
    half = pen.between(0.25, 0.45)
    pen.shape(
        [
            (0.5 - half * pen.between(0.4, 0.8), 0),
            (0.5 + half * pen.between(0.4, 0.8), 0),
            (0.5 + half, low),
            (0.5 - half, low),
        ],
        shade,
    )
    pen.line(0.5 - half, low, 0.5 + half, low, pen.shade(shade, 0.8), 0.02)


def telephone(pen: Pen) -> None:
    body, keys = pen.colour(), pen.colour()
    if pen.random.random() < 0.35:  # a mobile one
        half = pen.between(0.2, 0.3)
        pen.box(0.5 - half, 0, 0.5 + half, 1, body, 0.06)
        screen = 0.5 if pen.random.random() < 0.6 else 0.9
        pen.box(0.53 - half, 0.08, 0.47 + half, screen, keys, 0.01)
        if screen < 0.6:
            for row in range(4):
                for column in range(3):
                    x = 0.5 - half + 0.05 + column * (2 * half - 0.08) / 3
                    pen.box(x, 0.56 + row * 0.1, x + 0.1, 0.62 + row * 0.1, keys, 0.01)
        return
    narrow = pen.between(0.1, 0.25)
    pen.shape([(narrow, 0.35), (1 - narrow, 0.35), (1, 0.95), (0, 0.95)], body)
    handset = pen.shade(body, pen.between(0.5, 1.5))
    pen.box(0.02, 0.14, 0.98, 0.28, handset, 0.06)
    pen.box(0.02, 0.14, 0.26, 0.4, handset, 0.05)
    pen.box(0.74, 0.14, 0.98, 0.4, handset, 0.05)
    if pen.random.random() < 0.4:
        pen.disc(0.5, 0.66, 0.22, keys)
        for hole in range(10):
            angle = hole * math.tau / 12
            pen.disc(0.5 + 0.16 * math.cos(angle), 0.66 + 0.16 * math.sin(angle), 0.03, handset)
        return
    pen.box(0.32, 0.42, 0.68, 0.92, pen.shade(body, 1.4))
    for row in range(4):
        for column in range(3):
            x, y = 0.345 + column * 0.11, 0.46 + row * 0.11
            pen.box(x, y, x + 0.085, y + 0.075, keys, 0.015)


def television(pen: Pen) -> None:
    case, screen = pen.colour(pen.between(0.05, 0.5)), pen.colour()
    flat = pen.random.random() < 0.5
    bottom = pen.between(0.7, 0.85)
    pen.box(0, 0.1, 1, bottom, case, 0.01 if flat else 0.05)
    edge = 0.02 if flat else pen.between(0.06, 0.12)
    below = bottom - edge if flat or pen.random.random() < 0.4 else bottom - 0.16
    pen.box(edge, 0.1 + edge, 1 - edge, below, screen, 0.01 if flat else 0.06)
    pen.shape(
        [(edge * 1.5, 0.1 + edge * 1.5), (0.4, 0.1 + edge * 1.5), (0.2, below - 0.03), (edge * 1.5, below - 0.03)],
        pen.shade(screen, 1.25),
    )
    if not flat:
        for knob in range(4):
            pen.disc(0.15 + knob * 0.1 + pen.between(0, 0.3), bottom - 0.06, 0.02, pen.shade(case, 2))
        if pen.random.random() < 0.3:
            pen.line(0.5, 0.1, 0.25, -0.12, case, 0.01)
            pen.line(0.5, 0.1, 0.75, -0.12, case, 0.01)
    if pen.random.random() < 0.5:
        pen.box(0.45, bottom, 0.55, bottom + 0.07, case)
        pen.box(0.28, bottom + 0.06, 0.72, bottom + 0.1, case, 0.01)
    else:
        pen.box(0.15, bottom, 0.22, bottom + 0.05, case)
        pen.box(0.78, bottom, 0.85, bottom + 0.05, case)


def bed(pen: Pen) -> None:
    pen.floor(0.7)
    wood, quilt, pillow = pen.wood(), pen.colour(), pen.colour(pen.between(0.85, 1))
    if pen.random.random() < 0.5:  # from the foot
        pen.box(0.1, 0.08, 0.9, 0.6, wood, 0.05)
        for side in (0.08, 0.87):
            pen.box(side, 0.04, side + 0.05, 0.75, pen.shade(wood, 0.7))
        for pillow_x in (0.16, 0.52):
            pen.box(pillow_x, 0.3, pillow_x + 0.32, 0.5, pillow, 0.06, outline=pen.shade(pillow, 0.85))
        pen.shape([(0.12, 0.44), (0.88, 0.44), (1, 0.82), (0, 0.82)], quilt)
        pen.shape([(0.12, 0.44), (0.88, 0.44), (0.91, 0.52), (0.09, 0.52)], pen.shade(pillow, 0.97))
        pen.box(0, 0.8, 1, 0.92, wood, 0.02)
    else:  # from the side
        head = pen.between(0.15, 0.4)
        pen.box(0, head, 0.06, 0.95, wood, 0.01)
        pen.box(0.94, pen.between(0.45, 0.6), 1, 0.95, wood, 0.01)
        pen.box(0.04, 0.68, 0.96, 0.84, wood)
        pen.box(0.06, 0.5, 0.94, 0.7, quilt, 0.05)
        pen.box(0.07, 0.42, 0.3, 0.54, pillow, 0.05, outline=pen.shade(pillow, 0.85))
    for leg in (0.02, 0.92):
        pen.box(leg, 0.9, leg + 0.05, 1, pen.shade(wood, 0.6))


def chair(pen: Pen) -> None:
    pen.floor(0.9)
    wood, seat = pen.wood(), pen.colour()
    pen.left, pen.width = pen.left + pen.width * 0.15, pen.width * 0.7
    level, lean = pen.between(0.48, 0.58), pen.between(0, 0.08)
    for x in (0.05, 0.62):
        pen.shape([(x, 0), (x + 0.08, 0), (x + 0.08 + lean, 0.94), (x + lean, 0.94)], wood)
    style = pen.random.random()
    if style < 0.4:
        for bar in range(int(pen.between(2, 5))):
            pen.box(0.08, 0.04 + bar * 0.11, 0.68, 0.1 + bar * 0.11, wood)
    elif style < 0.7:
        pen.box(0.08, 0, 0.68, 0.06, wood)
        for bar in range(4):
            pen.box(0.16 + bar * 0.12, 0.05, 0.2 + bar * 0.12, level, wood)
    else:
        pen.box(0.06, 0, 0.7, level - 0.08, seat, 0.05)
    pen.shape([(0.05, level), (0.72, level), (0.95, level + 0.12), (0.2, level + 0.12)], seat)
    pen.box(0.2, level + 0.12, 0.95, level + 0.16, pen.shade(seat, 0.7))
    for x in (0.2, 0.87):
        pen.box(x, level + 0.15, x + 0.07, 1, pen.shade(wood, 0.85))
    if pen.random.random() < 0.5:
        pen.box(0.24, 0.82, 0.9, 0.85, wood)


def couch(pen: Pen) -> None:
    pen.floor(0.75)
    cloth = pen.colour()
    arm, top = pen.between(0.08, 0.18), pen.between(0.15, 0.3)
    pen.box(0.08, top, 0.92, 0.7, cloth, 0.05)
    seats = int(pen.between(2, 4))
    for seat in range(seats):
        x, width = arm + seat * (1 - 2 * arm) / seats, (1 - 2 * arm) / seats
        if pen.random.random() < 0.7:
            pen.box(x + 0.01, top + 0.04, x + width - 0.01, 0.52, pen.shade(cloth, 1.08), 0.04)
        pen.box(x + 0.005, 0.5, x + width - 0.005, 0.64, pen.shade(cloth, 1.18), 0.03)
    pen.box(0.05, 0.63, 0.95, 0.82, pen.shade(cloth, 0.8), 0.02)
    for x in (0, 1 - arm):
        pen.box(x, pen.between(0.34, 0.44), x + arm, 0.84, pen.shade(cloth, 0.93), 0.05)
    for leg in (0.06, 0.88):
        pen.box(leg, 0.82, leg + 0.05, 0.9, pen.wood())


def table(pen: Pen) -> None:
    pen.floor(0.8)
    wood = pen.wood()
    style = pen.random.random()
    depth, leg = pen.between(0.05, 0.2), pen.between(0.03, 0.08)
    if style < 0.25:  # round, on one leg
        pen.draw.ellipse((*pen.at(0, 0.2), *pen.at(1, 0.42)), wood)
        pen.box(0.46, 0.38, 0.54, 0.92, pen.shade(wood, 0.8))
        pen.box(0.3, 0.9, 0.7, 0.96, pen.shade(wood, 0.8), 0.02)
        return
    pen.shape([(0.18, 0.2), (0.82, 0.2), (1, 0.2 + depth), (0, 0.2 + depth)], wood)
    level = 0.2 + depth
    pen.box(0, level, 1, level + 0.04, pen.shade(wood, 0.75))
    pen.box(0.06, level + 0.04, 0.94, level + 0.04 + pen.between(0.02, 0.1), pen.shade(wood, 0.85))
    for x in (0.24, 0.72):
        pen.box(x, level + 0.06, x + leg * 0.7, 0.8, pen.shade(wood, 0.6))
    for x in (0.05, 0.95 - leg):
        pen.box(x, level + 0.04, x + leg, 0.98, pen.shade(wood, 0.8))


def wardrobe(pen: Pen) -> None:
    pen.floor(0.92)
    wood = pen.wood()
    pen.left, pen.width = pen.left + pen.width * 0.12, pen.width * 0.76
    pen.box(0, 0.05, 1, 0.95, wood)
    if pen.random.random() < 0.5:
        pen.shape([(0, 0), (1, 0), (1.04, 0.06), (-0.04, 0.06)], pen.shade(wood, 0.75))
    doors = int(pen.between(2, 4))
    drawers = pen.random.random() < 0.4
    bottom = 0.74 if drawers else 0.92
    dark = pen.shade(wood, 0.6)
    for door in range(doors):
        x0, x1 = 0.03 + door * 0.94 / doors, 0.03 + (door + 1) * 0.94 / doors
        panel = pen.shade(wood, pen.between(0.9, 1.1))
        pen.box(x0 + 0.01, 0.09, x1 - 0.01, bottom, panel, outline=dark)
        if pen.random.random() < 0.6:
            pen.box(x0 + 0.06, 0.14, x1 - 0.06, bottom - 0.05, pen.shade(panel, 1.1), outline=dark)
        knob = x1 - 0.035 if door % 2 == 0 else x0 + 0.035
        pen.disc(knob, 0.48, 0.012, dark)
        if drawers:
            pen.box(x0 + 0.01, 0.77, x1 - 0.01, 0.92, panel, outline=dark)
            pen.disc((x0 + x1) / 2, 0.84, 0.012, dark)
    for leg in (0.02, 0.9):
        pen.box(leg, 0.95, leg + 0.08, 1, dark)


DRAWINGS = (clock, keyboard, lamp, telephone, television, bed, chair, couch, table, wardrobe)


def drawing(label: int, random: np.random.Generator) -> np.ndarray:
    pen = Pen(random)
    DRAWINGS[label](pen)
    image = pen.image.rotate(pen.between(-6, 6), Image.BILINEAR, fillcolor=pen.ground)
    return np.asarray(image.resize((SIDE, SIDE), Image.BOX))


def noise(random: np.random.Generator) -> np.ndarray:
    cell = int(random.choice([1, 1, 2, 4, 8, 16, 32]))
    channels = 3 if random.random() < 0.6 else 1
    small = random.random((SIDE // cell, SIDE // cell, channels)) if random.random() < 0.5 else (
        random.normal(0.5, random.uniform(0.05, 0.4), (SIDE // cell, SIDE // cell, channels))
    )  # fmt: skip
    small = np.repeat((np.clip(small, 0, 1) * 255).astype(np.uint8), 3 // channels, 2)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), random.choice([Image.NEAREST, Image.BILINEAR])))


def flat(random: np.random.Generator) -> np.ndarray:
    colours = (
        random.random((2, 3)) if random.random() < 0.7 else np.repeat(random.choice([0.0, 0.5, 1.0], (2, 1)), 3, 1)
    )
    if random.random() < 0.5:
        colours[1] = colours[0]
    angle = random.uniform(0, math.tau)
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, SIDE), np.linspace(-0.5, 0.5, SIDE))
    ramp = np.clip(0.5 + x * math.cos(angle) + y * math.sin(angle), 0, 1)[..., None]
    grain = random.normal(0, random.choice([0, 0, 0.01, 0.04]), (SIDE, SIDE, 1))
    return (np.clip(colours[0] * (1 - ramp) + colours[1] * ramp + grain, 0, 1) * 255).astype(np.uint8)


def pattern(random: np.random.Generator) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    period = random.uniform(6, 90)
    kind = random.integers(5)
    if kind == 0:  # bars of a test card
        colours = (random.permutation(8)[:, None] >> np.arange(3) & 1) * random.choice([191, 255])
        return colours[(x * 8 // SIDE)].astype(np.uint8)
    if kind == 1:
        value = (x // period + y // period) % 2
    elif kind == 2:
        angle = random.uniform(0, math.tau)
        value = 0.5 + 0.5 * np.sin((x * math.cos(angle) + y * math.sin(angle)) * math.tau / period)
    elif kind == 3:
        value = (np.hypot(x - SIDE / 2, y - SIDE / 2) // period) % 2
    else:
        value = ((x % period < 3) | (y % period < 3)).astype(float)
    if random.random() < 0.5:
        value = np.round(value)
    first, second = random.random(3) * 255, random.random(3) * 255
    return (first * (1 - value[..., None]) + second * value[..., None]).astype(np.uint8)


def page(random: np.random.Generator) -> np.ndarray:
    dark = random.random() < 0.2
    paper = int(random.uniform(0, 40) if dark else random.uniform(215, 255))
    image = Image.new("RGB", (BIG, BIG), (paper,) * 3)
    draw = ImageDraw.Draw(image)
    size = int(random.uniform(10, 48))
    font = ImageFont.load_default(size)
    ink = (230,) * 3 if dark else tuple(int(value) for value in random.uniform(0, 80, 3))
    y = random.uniform(0, 60)
    while y < BIG:
        if random.random() < 0.88:
            words = " ".join(random.choice(WORDS, int(random.uniform(3, 700 / size))))
            draw.text((random.uniform(16, 24), y), words, ink, font)
        y += size * 1.5
    image = image.rotate(random.uniform(-8, 8), Image.BILINEAR, fillcolor=(paper,) * 3)
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 3)))
    return np.asarray(image.resize((SIDE, SIDE), Image.BOX))


def make_synthetic(each: int = EACH, nothing: int = NOTHING, seed: int = 0) -> Pictures:
    """`each` drawings of every class and `nothing` pictures of nothing."""
    random = np.random.default_rng(seed)
    pixels = [drawing(label, random) for label in range(OTHER) for _ in range(each)]
    labels = [label for label in range(OTHER) for _ in range(each)]
    sources = ["drawings"] * len(labels)
    makers = (noise, flat, pattern, page)
    for index in range(nothing):
        pixels.append(makers[index % len(makers)](random))
        labels.append(OTHER)
        sources.append("nothing")
    count = len(labels)
    assert max(labels) < len(LABELS)
    return Pictures(np.stack(pixels), np.array(labels), np.array(sources), np.ones(count, np.float32))
