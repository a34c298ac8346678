"""
The household networks from the ImageNet network, photographs and thumbnails:

    python3 scripts/train/run.py --shared ../shared --work build-train

Goes on behind the last finished step when it is started again. In WORK afterwards: household.npz, confidence.json and card.json,
which scripts/train/build.sh makes the files of models/ from.
"""

import argparse
import json
import time
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
from network import FEATURES, FROZEN_CHANNELS, FROZEN_STRIDE
from photos import LABELS, OTHER, Pictures

KERAS = "checkpoints/keras-mobilenetv3-small-imagenet-notop.npz"
# Of the head that training starts from, and of the one that is fitted at the end.
PENALTY, LAST_PENALTY = 1e-2, 3e-3
# What is chosen is chosen on sources that took no part: of every class that has several, one large one at least.
LEFT_OUT = ("ewaste-images", "office-caltech10", "krish212-vgg", "caltech101-others")
RECIPE = tune.Recipe()
TRIAL = tune.Recipe(left_out=LEFT_OUT)
# Of the teacher's answers in what a photograph is taken for; the rest is its label.
TAUGHT = 0.7
# Left-out pictures of one class and source that are scored; and thumbnails of a class that a trial does not learn from.
SCORED, SCORED_OTHER, HELD_THUMBNAILS = 100, 250, 50


class Work:
    """The pictures, and the folder that everything made of them is kept in."""

    def __init__(self, shared: Path, folder: Path):
        self.shared, self.folder = shared, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.sets = views.read_sets(shared, folder)
        self.keras = network.read(shared / KERAS, len(LABELS))

    def view(self, name: str) -> dict[str, np.ndarray]:
        return views.ensure(self.sets, self.keras, self.folder, name)


def held_out(sets: dict[str, Pictures], left_out: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Which pictures a run does not learn from, by kind."""
    held = {kind: np.isin(pictures.sources, left_out) for kind, pictures in sets.items()}
    if left_out:
        labels = sets["thumbnails"].labels
        for label in range(OTHER):
            held["thumbnails"][np.nonzero(labels == label)[0][-HELD_THUMBNAILS:]] = True
    return held


def train(work: Work, recipe: tune.Recipe, name: str) -> network.Network:
    """Probes and tunes. What moved is kept as NAME.pt."""
    file = work.folder / f"{name}.pt"
    if file.exists():
        net = network.read(work.shared / KERAS, len(LABELS))
        net.load_state_dict(torch.load(file), strict=False)
        return net
    net = network.read(work.shared / KERAS, len(LABELS))
    held = held_out(work.sets, recipe.left_out)
    pooled = clean_features(work, work.keras, "keras-pooled")
    targets, wanted = taught(work, ~held["photos"])
    kinds = ("photos", "thumbnails")
    features, aims, labels, sources = (
        np.concatenate([array[kind][~held[kind]] for kind in kinds])
        for array in (
            pooled,
            targets,
            {kind: work.sets[kind].labels for kind in kinds},
            {kind: work.sets[kind].sources for kind in kinds},
        )
    )
    weights = probe.weights_of(labels, sources, OTHER)
    net.head.weight.data, net.head.bias.data = probe.fit(features, aims, weights, PENALTY)
    learnt = ~held["photos"]
    teller = torch.nn.Linear(FEATURES, teacher.FEATURES)
    teller.weight.data, teller.bias.data = probe.ridge(pooled["photos"][learnt], wanted["photos"][learnt])

    def read_view(number: int) -> tune.View:
        values, rows = work.view(str(number or "clean")), views.rows_of_view(work.sets, number)
        at, aims, known, alike = [], [], [], []
        for part, kind in enumerate(work.sets):
            keep = np.nonzero(~held[kind][rows[kind]])[0]
            chosen = rows[kind][keep]
            # A drawn view is of these pictures only, the clean one of all.
            at += [(part, row) for row in (keep if number else chosen)]
            aims.append(targets[kind][chosen])
            known.append(work.sets[kind].labels[chosen])
            alike.append(wanted[kind][chosen])
        return tune.View(
            list(values.values()),
            np.array(at),
            np.concatenate(aims),
            tune.counts_of(np.concatenate(known)),
            np.concatenate(alike),
        )

    moved = tune.tune(net, teller, recipe, read_view)
    torch.save(moved, file)
    net.load_state_dict(moved, strict=False)
    return net


def taught(work: Work, learnt: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What every picture is taken for, and the teacher's features, where it has seen it, by kind of picture."""
    photographs = work.sets["photos"]
    features, probabilities = teacher.ensure(photographs, work.folder)
    targets = {kind: np.eye(len(LABELS), dtype=np.float32)[pictures.labels] for kind, pictures in work.sets.items()}
    said = teacher.answers(features, probabilities, photographs, learnt)
    targets["photos"] = ((1 - TAUGHT) * targets["photos"] + TAUGHT * said).astype(np.float32)
    nothing = np.full((1, teacher.FEATURES), np.nan, np.float32)
    wanted = {kind: np.broadcast_to(nothing, (len(pictures), teacher.FEATURES)) for kind, pictures in work.sets.items()}
    return targets, {**wanted, "photos": teacher.standardized(features, learnt)}


def clean_features(work: Work, net: network.Network, name: str) -> dict[str, np.ndarray]:
    """`net`'s features of the clean pictures, kept as NAME.npz."""
    file = work.folder / f"{name}.npz"
    if not file.exists():
        upper = Frozen(net, "upper", (FROZEN_CHANNELS, *[views.CLEAN // FROZEN_STRIDE] * 2))
        found = {}
        for kind, values in work.view("clean").items():
            found[kind] = np.concatenate([upper(values[at : at + 64]) for at in range(0, len(values), 64)])
        np.savez(file, **found)
    with np.load(file) as found:
        return dict(found)


def head_on(
    work: Work, features: dict[str, np.ndarray], held: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, distance.Directions]:
    """A linear layer, weight and bias, and directions fitted to the features of all clean pictures that are not held out."""
    kinds = list(work.sets)
    values = np.concatenate([features[kind][~held[kind]] for kind in kinds])
    labels = np.concatenate([work.sets[kind].labels[~held[kind]] for kind in kinds])
    sources = np.concatenate([work.sets[kind].sources[~held[kind]] for kind in kinds])
    photographs = np.concatenate([np.full((~held[kind]).sum(), kind == "photos") for kind in kinds])
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


def choose(work: Work) -> dict:
    """How logits become answers: on sources that the trial has not seen."""
    file = work.folder / "choice.json"
    if file.exists():
        return json.loads(file.read_text())
    features = clean_features(work, train(work, TRIAL, "trial"), "trial-features")
    logits, labels, sources = unseen_answers(work, features)
    photographs = sources != "cifar-100"
    print(scores.line("photographs not seen", logits[photographs], labels[photographs]))
    print(scores.line("thumbnails not seen", logits[~photographs], labels[~photographs]), flush=True)
    choice = confidence.fit(logits[photographs], labels[photographs])
    file.write_text(json.dumps(choice, indent=2))
    return choice


def household(work: Work, choice: dict) -> None:
    net = train(work, RECIPE, "tuned")
    features = clean_features(work, net, "features")
    weight, bias, directions = head_on(work, features, held_out(work.sets, ()))
    bias[OTHER] += choice["shift"]
    head = distance.classifier(weight, bias, directions, np.concatenate(list(features.values())))
    network.write(work.folder / "household.npz", {**net.state_dict(), **head})


def card() -> dict:
    """What the model file's provenance says of the training."""
    return {
        "from": "Keras Applications MobileNetV3-Small, ImageNet weights (Apache-2.0)",
        "data": "photographs of 11 sources, CIFAR-100's household classes: listed with terms in models/README.md",
        "passes": len(RECIPE.views),
        "taughtBy": "EfficientNet-Lite2 (Apache-2.0)",
        "drawings": synthetic.EACH,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path("build-train"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    began = time.time()
    work = Work(arguments.shared, arguments.work)
    choice = choose(work)
    household(work, choice)
    answers = {"temperature": choice["temperature"], "rejectClass": LABELS[OTHER]}
    (work.folder / "confidence.json").write_text(json.dumps(answers, indent=2))
    (work.folder / "card.json").write_text(json.dumps(card(), indent=2))
    print(f"done after {(time.time() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
