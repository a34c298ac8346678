"""One training run: from a start to averaged weights, resumable after each epoch."""

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import keras_weights
import lite
import prune
import torch
import torch.nn.functional as F
from augment import Augmentation
from balance import balance
from data import FULL_SIZE, LABELS, Pictures, enlarge
from quantized import QuantizedNetwork

CPU = Path("/proc/cpuinfo")
# Pictures on which the first int8 ranges are found.
CALIBRATION_PICTURES = 200
HAS_BFLOAT16 = CPU.exists() and "avx512_bf16" in CPU.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of one run, besides data and start."""

    name: str
    seed: int
    # (epochs, input side) one after the other. Small pictures cost less: these thumbnails have 32 pixels a side.
    phases: tuple[tuple[int, int], ...]
    learning_rate: float
    head_learning_rate: float
    # Weight averaging per step; the time constant must be short against the run.
    ema: float
    # Key of lite.VARIANTS: trains that network, to teach; none: MobileNetV3-Small.
    lite: str = ""
    # Names of runs that teach this one, one drawn for each batch: on average their mean distribution, for the time of one.
    teachers: tuple[str, ...] = ()
    # Runs from the mean of whose weights this one goes on; none: from ImageNet weights.
    start: tuple[str, ...] = ()
    # False: learns from the held-out pictures too. For runs that choose nothing.
    holds_out: bool = True
    batch: int = 50
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    # Share of the labels' own cross entropy beside the teachers'.
    label_share: float = 0.3
    temperature: float = 2.0
    warmup_steps: int = 100
    # True: no more than mirrored and moved, to become like the teachers on such pictures instead of learning new ones.
    light: bool = False
    prune_amount: float = 0.0
    prune_layers: str = "all"
    # The convolutions' share where it is another; the linear layers then have what makes it prune_amount of all.
    prune_convolutions: float | None = None
    # Share of the steps in which the zeros grow to that; 0: those of the start are kept.
    prune_ramp: float = 0.5
    # Rounds weights and values to int8 in the forward pass (see quantized.py).
    int8: bool = False

    @property
    def epochs(self) -> int:
        return sum(count for count, _ in self.phases)

    def size_at(self, epoch: int) -> int:
        for count, size in self.phases:
            if epoch < count:
                return size
            epoch -= count
        raise IndexError(epoch)


class Teacher:
    """
    A network that is only read: its batch norms are folded to save time, and bfloat16 does where the CPU multiplies it natively.
    """

    def __init__(self, network: torch.nn.Module):
        self.side = side_of(network)
        example = _channels_last(torch.zeros(1, 3, self.side, self.side))
        # Casts are recorded with the rest, so none may be left out because an earlier one is still cached.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=HAS_BFLOAT16, cache_enabled=False):
            self.network = torch.jit.freeze(torch.jit.trace(network.eval(), example))

    def logits(self, pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.network(pictures).float()


def is_recipe(recipe: Recipe, recorded: dict | None) -> bool:
    """Whether that is what was recorded. A field that was added later had its default then."""
    if recorded is None:
        return False
    defaults = {one.name: one.default for one in fields(Recipe) if one.default is not MISSING}
    # Through JSON, which has lists for tuples.
    then, now = (json.loads(json.dumps(values)) for values in ({**defaults, **recorded}, asdict(recipe)))
    return then == now


@dataclass
class Run:
    recipe: Recipe
    pictures: Pictures
    held_out: Pictures
    shared: Path
    work: Path
    log: list[dict] = field(default_factory=list)

    def train(self) -> Path:
        """Trains, or goes on where an earlier process stopped, and returns the file of averaged weights."""
        recipe = self.recipe
        final = weights_path(self.work, recipe.name)
        if final.exists():
            return final
        start = self._start()
        network = self._quantized(start) if recipe.int8 else start
        _follow_statistics(network)
        network.to(memory_format=torch.channels_last)
        teachers = [Teacher(load(self.work, name)) for name in recipe.teachers]
        steps_per_epoch = len(self.pictures) // recipe.batch
        steps = recipe.epochs * steps_per_epoch
        pruning = None
        if recipe.prune_amount > 0:
            targets = prune.layers(network, recipe.prune_layers)
            pruning = prune.GradualPruning(
                network, targets, recipe.prune_amount, steps, recipe.prune_ramp, recipe.prune_convolutions
            )
        optimizer = torch.optim.AdamW(self._groups(network), weight_decay=0)
        averaged = {name: value.clone() for name, value in network.state_dict().items()}
        first = self._resume(network, optimizer, averaged, pruning)
        for epoch in range(first, recipe.epochs):
            # Seeded per epoch, so that a resumed run draws the same pictures.
            torch.manual_seed(recipe.seed * 100_003 + epoch)
            augmentation = Augmentation(torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch))
            started, losses = time.time(), []
            network.train()
            order = torch.randperm(len(self.pictures), generator=augmentation.generator)
            for index in range(steps_per_epoch):
                step = epoch * steps_per_epoch + index
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * _schedule(step, steps, recipe.warmup_steps)
                rows = order[index * recipe.batch : (index + 1) * recipe.batch]
                losses.append(self._step(network, teachers, optimizer, augmentation, rows, recipe.size_at(epoch)))
                if pruning is not None:
                    pruning.after_step(step + 1)
                _average(averaged, network.state_dict(), min(recipe.ema, (step + 1) / (step + 10)))
            accuracy = self._held_out_accuracy(network, averaged)
            self._report(epoch, sum(losses) / len(losses), accuracy, time.time() - started)
            self._save(network, optimizer, averaged, pruning, epoch + 1)
        if pruning is not None:
            pruning.apply_to(averaged)
        if recipe.int8:
            network.load_state_dict(averaged)
            network.into(start)
            averaged = start.state_dict()
            write_json(self.work / f"{recipe.name}.ranges.json", network.quantization())
        write_weights(self.work, recipe.name, averaged)
        self._resume_path.unlink(missing_ok=True)
        return final

    def _start(self) -> torch.nn.Module:
        if self.recipe.start:
            return load(self.work, *self.recipe.start)
        # One head for all seeds: weights can only be averaged when the runs started at one point.
        torch.manual_seed(0)
        if self.recipe.lite:
            larger = lite.build(self.recipe.lite)
            lite.import_weights(larger, lite.fetch(self.recipe.lite, self.work))
            return larger
        network = keras_weights.build(len(LABELS))
        keras = self.shared / "checkpoints" / "keras-mobilenetv3-small-imagenet-notop.npz"
        keras_weights.import_keras(network, keras, self.pictures)
        balance(network)
        return network

    def _quantized(self, start: torch.nn.Module) -> QuantizedNetwork:
        """Equalized, with first ranges from pictures spread over all classes."""
        network = QuantizedNetwork(start)
        step = max(1, len(self.pictures) // CALIBRATION_PICTURES)
        pictures = self.pictures.pixels[::step]
        for equalize in (True, False):
            network.begin_calibration()
            logits(network, Pictures(pictures, self.pictures.labels[::step]))
            if equalize:
                network.equalize()
        network.end_calibration()
        return network

    def _groups(self, network: torch.nn.Module) -> list[dict]:
        """The head learns at its own rate; biases and batch norms do not decay."""
        groups = []
        for name, parameter in network.named_parameters():
            peak = self.recipe.head_learning_rate if "classifier" in name else self.recipe.learning_rate
            if self.recipe.int8 and not name.endswith("log_scale"):
                peak *= _size(parameter)
            decay = self.recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.append({"params": [parameter], "lr": peak, "peak": peak, "weight_decay": decay})
        return groups

    def _step(self, network, teachers, optimizer, augmentation, rows, size: int) -> float:
        batch = self.pictures.take(rows)
        smoothing = self.recipe.label_smoothing
        targets = F.one_hot(batch.labels, len(LABELS)).float() * (1 - smoothing) + smoothing / len(LABELS)
        if self.recipe.light:
            hard = clean = augmentation.lightly(batch.pixels, size)
        else:
            hard, clean = augmentation(batch.pixels, size)
            hard, clean, targets = augmentation.mix(hard, clean, targets)
        logits = network(_channels_last(hard))
        loss = -(targets * logits.log_softmax(1)).sum(1).mean()
        if teachers:
            # Knowledge distillation (Hinton et al. 2015); the teachers see the same pictures without the added noise, and at the
            # size they have learnt on.
            warm = self.recipe.temperature
            teacher = teachers[int(torch.randint(len(teachers), (), generator=augmentation.generator))]
            if size != teacher.side:
                clean = F.interpolate(clean, size=teacher.side, mode="bilinear", align_corners=False)
            taught = _teach(teacher, _channels_last(clean), warm)
            distance = -(taught * (logits / warm).log_softmax(1)).sum(1).mean() * warm**2
            loss = self.recipe.label_share * loss + (1 - self.recipe.label_share) * distance
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss)

    def _held_out_accuracy(self, network, averaged) -> float:
        judged = copy.deepcopy(network)
        judged.load_state_dict(averaged)
        return accuracy(judged, self.held_out)

    def _report(self, epoch: int, loss: float, held_out: float, seconds: float) -> None:
        row = {
            "run": self.recipe.name,
            "epoch": epoch + 1,
            "of": self.recipe.epochs,
            "size": self.recipe.size_at(epoch),
            "loss": round(loss, 4),
            "heldOutTop1": held_out,
            "seconds": round(seconds, 1),
        }
        self.log.append(row)
        with open(self.work / f"{self.recipe.name}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    @property
    def _resume_path(self) -> Path:
        return resume_path(self.work, self.recipe.name)

    def _save(self, network, optimizer, averaged, pruning, epoch: int) -> None:
        state = {
            "recipe": asdict(self.recipe),
            "epoch": epoch,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "averaged": averaged,
            "masks": pruning.masks if pruning is not None else {},
        }
        write_state(self._resume_path, state)

    def _resume(self, network, optimizer, averaged, pruning) -> int:
        if not self._resume_path.exists():
            return 0
        state = torch.load(self._resume_path)
        if not is_recipe(self.recipe, state.get("recipe")):
            raise ValueError(f"{self._resume_path} was begun with another recipe; delete it to start anew")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        averaged.update(state["averaged"])
        if pruning is not None:
            pruning.masks = state["masks"]
        return state["epoch"]


def weights_path(work: Path, name: str) -> Path:
    return work / f"{name}.pth"


def resume_path(work: Path, name: str) -> Path:
    """What an unfinished run has so far."""
    return work / f"{name}.resume"


def load(work: Path, *names: str) -> torch.nn.Module:
    """
    A finished run's network, ready to infer; of several, the mean of their weights (Wortsman et al. 2022, arXiv:2203.05482),
    which wants runs that started at one point.
    """
    states = [torch.load(weights_path(work, name)) for name in names]
    mean = {
        name: sum(state[name] for state in states) / len(states) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    return of_state(mean)


def of_state(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The network these weights are of, ready to infer."""
    if lite.is_lite(state):
        network = lite.of_state(state)
    else:
        network = keras_weights.build(len(LABELS))
        network.load_state_dict(state)
    return network.eval().to(memory_format=torch.channels_last)


def side_of(network: torch.nn.Module) -> int:
    """Pixels a side of what the network takes."""
    return network.side if isinstance(network, lite.Lite) else FULL_SIZE


def logits(network: torch.nn.Module, pictures: Pictures) -> torch.Tensor:
    """[N, classes], the pictures enlarged as the shipped preprocessing does."""
    network.eval()
    size = side_of(network)
    with torch.no_grad():
        chunks = [network(_channels_last(enlarge(part, size))) for part in pictures.pixels.split(100)]
    return torch.cat(chunks)


def accuracy(network: torch.nn.Module, pictures: Pictures) -> float:
    return float((logits(network, pictures).argmax(1) == pictures.labels).float().mean())


def write_json(path: Path, value: dict) -> None:
    _write_whole(path, lambda temporary: temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8"))


def write_state(path: Path, state) -> None:
    _write_whole(path, lambda temporary: torch.save(state, temporary))


def write_weights(work: Path, name: str, state: dict[str, torch.Tensor]) -> None:
    """As a checkpoint of torchvision's layout, which knows no channels_last."""
    write_state(weights_path(work, name), {key: value.contiguous() for key, value in state.items()})


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Or not at all: a run that is stopped while it saves can still resume, and two runs may write the same mean."""
    temporary = path.with_suffix(f"{path.suffix}.{os.getpid()}.part")
    write(temporary)
    temporary.replace(path)


def _teach(teacher: Teacher, pictures: torch.Tensor, temperature: float) -> torch.Tensor:
    return (teacher.logits(pictures) / temperature).softmax(1)


def _channels_last(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def _size(parameter: torch.Tensor) -> float:
    """
    Root mean square. Weights with their batch norms folded in differ by a factor of 1,000 and Adam moves all by its rate, so that
    becomes a share of this (Adafactor's relative step: Shazeer and Stern 2018, arXiv:1804.04235).
    """
    return max(1e-3, float(parameter.detach().pow(2).mean().sqrt()))


def _average(averaged: dict[str, torch.Tensor], state: dict[str, torch.Tensor], keep: float) -> None:
    """Exponential moving average of weights and batch norm statistics; counters are copied."""
    for name, value in state.items():
        if value.is_floating_point():
            averaged[name].lerp_(value, 1 - keep)
        else:
            averaged[name].copy_(value)


def _follow_statistics(network: torch.nn.Module) -> None:
    """torchvision's momentum of 0.01 is made for long runs: here the statistics would lag behind the weights."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.05
