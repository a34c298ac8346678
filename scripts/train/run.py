"""
The household networks from the ImageNet network, photographs and thumbnails:

    python3 scripts/train/run.py --shared ../shared --work build-train

Goes on behind the last finished step when it is started again. In WORK afterwards, of each variant: NAME.npz, NAME-confidence.json and
NAME-card.json, which scripts/train/build.sh makes the files of models/ from.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import confidence
import distance
import network
import numpy as np
import probe
import scores
import synthetic
import teacher
import torch
import tune
import views
from frozen import Frozen
from lessons import Lessons
from network import FROZEN_CHANNELS, FROZEN_STRIDE
from photos import LABELS, OTHER, Pictures, learnt_of

KERAS = "checkpoints/keras-mobilenetv3-small-imagenet-notop.npz"
# Of the head that training starts from, and of the one that is fitted at the end.
PENALTY, LAST_PENALTY = 1e-2, 3e-3
# What is chosen is chosen on sources that took no part: of every class that has several, one large one at least.
LEFT_OUT = ("ewaste-images", "office-caltech10", "krish212-vgg", "caltech101-others")
# Drawn views, each seen five times in all; and after every sixth of them the clean one.
DRAWN_VIEWS = 12
TURNS = [number for turn in range(5) for number in np.random.default_rng(turn).permutation(DRAWN_VIEWS) + 1]
VIEWS = tuple(int(number) for at in range(0, len(TURNS), 6) for number in (*TURNS[at : at + 6], 0))
# Left-out pictures of one class and source that are scored; and thumbnails of a class that a trial does not learn from.
SCORED, SCORED_OTHER, HELD_THUMBNAILS = 100, 250, 50


@dataclass(frozen=True)
class Variant:
    """
    A network that ships: the mean of what these runs come to, and which other variant's weights they begin with; otherwise those that
    ImageNet left. A long run fits what it learns from better, a short one keeps more of where it began.
    """

    runs: tuple[tune.Recipe, ...]
    start: str | None = None


VARIANTS = {
    "household": Variant((tune.Recipe(VIEWS), tune.Recipe(VIEWS[:14], seed=1))),
    "sparse80": Variant((tune.Recipe(VIEWS[:35], zeros=0.8),), "household"),
}


class Work:
    """The pictures, and the folder that everything made of them is kept in."""

    def __init__(self, shared: Path, folder: Path):
        self.shared, self.folder = shared, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.sets = views.read_sets(shared, folder)

    def network(self, moved: Path | None = None) -> network.Network:
        """As ImageNet left it, but for what a run moved."""
        net = network.read(self.shared / KERAS, len(LABELS))
        if moved:
            net.load_state_dict(torch.load(moved), strict=False)
        return net

    def view(self, number: int) -> dict[str, views.View]:
        return views.read(self.folder, list(self.sets), number)


def held_out(sets: dict[str, Pictures], left_out: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Which pictures a run does not learn from, by kind."""
    held = {kind: np.isin(pictures.sources, left_out) for kind, pictures in sets.items()}
    if left_out:
        labels = sets["thumbnails"].labels
        for label in range(OTHER):
            held["thumbnails"][np.nonzero(labels == label)[0][-HELD_THUMBNAILS:]] = True
    return held


def kept_as(work: Work, name: str, left_out: tuple[str, ...], run: int | None = None) -> Path:
    """Where what a run moved is kept, or the mean of a variant's runs."""
    kind = "trial" if left_out else "tuned"
    return work.folder / (f"{name}-{kind}.pt" if run is None else f"{name}-{kind}-{run}.pt")


def keep(weights: dict[str, torch.Tensor], file: Path) -> None:
    """Under a temporary name first, so that a run that was stopped leaves no half of a file."""
    part = file.with_suffix(".part")
    torch.save(weights, part)
    part.replace(file)


def train(work: Work, name: str, left_out: tuple[str, ...], run: int) -> None:
    """One run of a variant on all sources but those: probes and tunes."""
    variant, file = VARIANTS[name], kept_as(work, name, left_out, run)
    if file.exists():
        return
    net = work.network(kept_as(work, variant.start, left_out) if variant.start else None)
    pooled = clean_features(work, net, f"{file.stem}-before")
    lessons = Lessons(work.sets, held_out(work.sets, left_out), work.view, teacher.fetch(work.folder))
    net.head.weight.data, net.head.bias.data = lessons.head(pooled, PENALTY)
    keep(tune.tune(net, lessons, lessons.teller(pooled), variant.runs[run]), file)


def average(work: Work, name: str, left_out: tuple[str, ...]) -> network.Network:
    """The network of the mean of a variant's runs."""
    file = kept_as(work, name, left_out)
    if not file.exists():
        moved = [torch.load(kept_as(work, name, left_out, run)) for run in range(len(VARIANTS[name].runs))]
        keep({layer: torch.stack([weights[layer] for weights in moved]).mean(0) for layer in moved[0]}, file)
    return work.network(file)


def clean_features(work: Work, net: network.Network, name: str) -> dict[str, np.ndarray]:
    """`net`'s features of the clean pictures, kept as NAME.npz."""
    file = work.folder / f"{name}.npz"
    if not file.exists():
        upper = Frozen(net, "upper", (FROZEN_CHANNELS, *[views.CLEAN // FROZEN_STRIDE] * 2))
        found = {}
        for kind, view in work.view(0).items():
            values = view.values
            found[kind] = np.concatenate([upper(values[at : at + 64]) for at in range(0, len(values), 64)])
        part = file.with_suffix(".part.npz")
        np.savez(part, **found)
        part.replace(file)
    with np.load(file) as found:
        return dict(found)


def head_on(
    work: Work, features: dict[str, np.ndarray], held: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, distance.Directions]:
    """A linear layer, weight and bias, and directions fitted to the features of all clean pictures that are not held out."""
    values = learnt_of(features, held)
    labels = learnt_of({kind: pictures.labels for kind, pictures in work.sets.items()}, held)
    sources = learnt_of({kind: pictures.sources for kind, pictures in work.sets.items()}, held)
    photographs = learnt_of({kind: np.full(len(kept), kind == "photos") for kind, kept in held.items()}, held)
    weights = probe.weights_of(labels, sources, OTHER)
    weight, bias = probe.fit(values, np.eye(len(LABELS))[labels], weights, LAST_PENALTY)
    return weight.numpy(), bias.numpy(), distance.fit(values, labels, photographs)


def unseen_answers(work: Work, features: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Logits, labels and sources of pictures that the trial's features have not learnt from: each source's by a head that has seen all
    sources but that one.
    """
    random = np.random.default_rng(0)
    logits, labels, sources = [], [], []
    for source in LEFT_OUT:
        held = held_out(work.sets, (source,))
        weight, bias, directions = head_on(work, features, held)
        for kind in ("photos", "thumbnails"):
            # The same thumbnails are held out each time: once is enough.
            if kind == "thumbnails" and source != LEFT_OUT[0]:
                continue
            pictures = work.sets[kind]
            for label in np.unique(pictures.labels[held[kind]]):
                rows = np.nonzero(held[kind] & (pictures.labels == label))[0]
                rows = random.permutation(rows)[: SCORED_OTHER if label == OTHER else SCORED]
                found = features[kind][rows] @ weight.T + bias
                found[:, OTHER] += directions.lengths(features[kind][rows])
                logits.append(found)
                labels.append(np.full(len(rows), label))
                sources.append(pictures.sources[rows])
    return np.concatenate(logits), np.concatenate(labels), np.concatenate(sources)


def choose(work: Work, name: str) -> dict:
    """How logits become answers: on sources that the trial has not seen."""
    file = work.folder / f"{name}-choice.json"
    if file.exists():
        return json.loads(file.read_text())
    features = clean_features(work, average(work, name, LEFT_OUT), f"{name}-trial-features")
    logits, labels, sources = unseen_answers(work, features)
    photographs = sources != "cifar-100"
    print(scores.line(f"{name}, photographs not seen", logits[photographs], labels[photographs]))
    print(scores.line(f"{name}, thumbnails not seen", logits[~photographs], labels[~photographs]), flush=True)
    choice = confidence.fit(logits[photographs], labels[photographs])
    file.write_text(json.dumps(choice, indent=2))
    return choice


def finish(work: Work, name: str) -> None:
    """NAME.npz with its last head, and what its model file says of its answers and its training."""
    choice = choose(work, name)
    net = average(work, name, ())
    features = clean_features(work, net, f"{name}-features")
    weight, bias, directions = head_on(work, features, held_out(work.sets, ()))
    bias[OTHER] += choice["shift"]
    head = distance.classifier(weight, bias, directions, np.concatenate(list(features.values())))
    network.write(work.folder / f"{name}.npz", {**net.state_dict(), **head})
    answers = {"temperature": choice["temperature"], "rejectClass": LABELS[OTHER]}
    (work.folder / f"{name}-confidence.json").write_text(json.dumps(answers, indent=2))
    (work.folder / f"{name}-card.json").write_text(json.dumps(card(VARIANTS[name]), indent=2))


def card(variant: Variant) -> dict:
    """What the model file's provenance says of the training."""
    return {
        "from": "Keras Applications MobileNetV3-Small, ImageNet weights (Apache-2.0)",
        "data": "photographs of 11 sources, CIFAR-100's household classes: listed with terms in models/README.md",
        "passes": [len(run.views) for run in variant.runs],
        "taughtBy": "EfficientNet-Lite2 (Apache-2.0)",
        "drawings": synthetic.EACH,
        **({"start": variant.start, "zeros": variant.runs[0].zeros} if variant.start else {}),
    }


def begin(shared: Path, folder: Path) -> Work:
    """What each process does first. With one thread a run gives the same weights every time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Work(shared, folder)


def make_view(shared: Path, folder: Path, number: int) -> None:
    work = begin(shared, folder)
    views.make_all(work.sets, folder, work.network(), number)


def train_alone(shared: Path, folder: Path, name: str, left_out: tuple[str, ...], run: int) -> None:
    train(begin(shared, folder), name, left_out, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path("build-train"))
    parser.add_argument(
        "--processes", type=int, default=2, help="how many things are made at a time; each takes one core"
    )
    arguments = parser.parse_args()
    began = time.time()
    where = (arguments.shared, arguments.work)
    work = begin(*where)
    teacher.fetch(arguments.work)
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        for made in [pool.submit(make_view, *where, number) for number in range(DRAWN_VIEWS + 1)]:
            made.result()
        for name, variant in VARIANTS.items():
            runs = [(left_out, run) for run in range(len(variant.runs)) for left_out in ((), LEFT_OUT)]
            for trained in [pool.submit(train_alone, *where, name, *run) for run in runs]:
                trained.result()
            for left_out in ((), LEFT_OUT):
                average(work, name, left_out)
    for name in VARIANTS:
        finish(work, name)
    print(f"done after {(time.time() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
