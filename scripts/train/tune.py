"""
Small steps from the ImageNet network with a probed head, on drawn views: every tensor moves by a share of its own size, the
lower layers not at all, and what is kept is an average. A larger network looks at the same views and says what they are: its features,
what ImageNet's classes come to in them, and what ours do. That holds what ImageNet taught, and adds what the larger network made of it.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from lessons import Lessons
from network import FROZEN_BLOCKS, Network
from teacher import Answers
from zeros import Zeros

BATCH = 48
# Of a clean view no more than this many pictures are taken at a time.
AT_MOST = 6200
# Steps between two lines of progress.
REPORT = 500


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    # Drawn views by number, one after another; 0: the clean pictures.
    views: tuple[int, ...]
    # A step's size as a share of the root mean square of the tensor's weights.
    step: float = 2e-3
    smoothing: float = 0.05
    dropout: float = 0.1
    # What being unlike the teacher's features counts beside the answers, and saying something else of ImageNet's classes.
    alike: float = 3.0
    imagenet: float = 1.0
    # Share of batches whose pictures get a rectangle of another picture, what they are taken for mixed alike (CutMix).
    cut: float = 0.3
    # Of the weights of each trained 1x1 convolution, at the end.
    zeros: float = 0.0
    seed: int = 0


def trained(network: Network) -> dict[str, torch.nn.Parameter]:
    frozen = ("stem.", *(f"features.{index}." for index in range(1, FROZEN_BLOCKS + 1)))
    return {name: value for name, value in network.named_parameters() if not name.startswith(frozen)}


def cut_and_mix(
    values: torch.Tensor, targets: tuple[torch.Tensor, ...], random: np.random.Generator
) -> tuple[torch.Tensor, ...]:
    side = values.shape[2]
    share = random.uniform(0.1, 0.4)
    height = int(np.clip(side * math.sqrt(share) * math.exp(random.uniform(-0.3, 0.3)), 2, side - 2))
    width = int(np.clip(share * side * side / height, 2, side - 2))
    top, left = random.integers(side - height + 1), random.integers(side - width + 1)
    partner = torch.from_numpy(random.permutation(len(values)))
    values = values.clone()
    values[:, :, top : top + height, left : left + width] = values[partner, :, top : top + height, left : left + width]
    kept = 1 - height * width / side**2
    return values, *(kept * target + (1 - kept) * target[partner] for target in targets)


class Loss:
    """Of features [N, 576], logits [N, classes], what they shall be taken for and the teacher's features, to what is lacking."""

    def __init__(self, recipe: Recipe, answers: Answers, teller: torch.nn.Linear):
        self.recipe, self.teller = recipe, teller
        self.mean, self.spread = torch.from_numpy(answers.mean), torch.from_numpy(answers.spread)
        self.weight, self.bias = answers.published["_fc.weight"], answers.published["_fc.bias"]

    def __call__(self, features, logits, targets, counts, wanted) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss and two of its parts: how unlike the teacher's features, and how far from its ImageNet answers."""
        targets = targets * (1 - self.recipe.smoothing) + self.recipe.smoothing / targets.shape[1]
        answered = (-(targets * F.log_softmax(logits, 1)).sum(1) * counts).mean()
        told = self.teller(features)
        unlike = (told - wanted).square().mean()
        farther = F.kl_div(self.imagenet(told), self.imagenet(wanted), log_target=True, reduction="batchmean")
        return answered + self.recipe.alike * unlike + self.recipe.imagenet * farther, unlike, farther

    def imagenet(self, standardized: torch.Tensor) -> torch.Tensor:
        return F.linear(standardized * self.spread + self.mean, self.weight, self.bias).log_softmax(1)


def batches(recipe: Recipe, lessons: Lessons, random: np.random.Generator):
    """Batches of every view by turns, those of a view in drawn order."""
    for number in recipe.views:
        samples = lessons.samples(number)
        order = random.permutation(len(samples.targets))[:AT_MOST]
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield number, samples.batch(np.sort(order[start : start + BATCH]))


def steps_of(recipe: Recipe, lessons: Lessons) -> int:
    steps = {number: min(lessons.count(number), AT_MOST) // BATCH for number in set(recipe.views)}
    return sum(steps[number] for number in recipe.views)


def tune(network: Network, lessons: Lessons, teller: torch.nn.Linear, recipe: Recipe) -> dict[str, torch.Tensor]:
    """
    Trains `network` in place, and `teller`, which says the teacher's features from its own; gives the averaged weights of all of
    `network` that moved.
    """
    random = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    moving = trained(network)
    groups = []
    for value in [*moving.values(), *teller.parameters()]:
        value.requires_grad_(True)
        size = max(float(value.detach().square().mean().sqrt()), 1e-2)
        groups.append({"params": [value], "lr": recipe.step * size})
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    average = {name: value.detach().clone() for name, value in moving.items()}
    total = steps_of(recipe, lessons)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * min(1, step / total)))
    )
    zeros = Zeros(network, moving, recipe.zeros, total)
    lacks = Loss(recipe, lessons.answers, teller)
    began, seen = time.time(), []
    for step, (number, (values, targets, counts, wanted)) in enumerate(batches(recipe, lessons, random)):
        if random.random() < recipe.cut:
            values, targets, wanted = cut_and_mix(values, (targets, wanted), random)
        features = network.upper(values)
        logits = network.head(F.dropout(features, recipe.dropout))
        parts = lacks(features, logits, targets, counts, wanted)
        optimizer.zero_grad()
        parts[0].backward()
        torch.nn.utils.clip_grad_norm_([*moving.values(), *teller.parameters()], 5.0)
        optimizer.step()
        schedule.step()
        zeros.after_step(step + 1, optimizer)
        decay = min(0.99, (2 + step) / (11 + step))
        with torch.no_grad():
            for name, value in moving.items():
                average[name].lerp_(value, 1 - decay)
        seen.append([part.item() for part in parts])
        if step % REPORT == REPORT - 1:
            loss, unlike, farther = np.mean(seen, 0)
            text = f"loss {loss:.3f}, unlike {unlike:.3f}, ImageNet {farther:.3f}"
            print(f"step {step + 1} of {total}, view {number}: {text}, {time.time() - began:.0f} s", flush=True)
            seen = []
    zeros.hold(average)
    return average
