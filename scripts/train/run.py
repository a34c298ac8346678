"""
The household networks from the ImageNet network, photographs and thumbnails:

    python3 scripts/train/run.py --shared ../shared --work build-train

Goes on behind the last finished step when it is started again. In WORK afterwards: household.npz, sparse.npz, confidence.json and
card.json, which scripts/train/build.sh makes the files of models/ from.
"""

import argparse
import json
import time
from pathlib import Path

import confidence
import network
import numpy as np
import probe
import scores
import sparse
import synthetic
import torch
import tune
import views
from frozen import Frozen
from photos import LABELS, OTHER, Pictures

KERAS = "checkpoints/keras-mobilenetv3-small-imagenet-notop.npz"
# Of the head that training starts from, and of the one that is fitted at the end.
PENALTY, LAST_PENALTY = 1e-2, 3e-2
# What is chosen is chosen on sources that took no part: of every class that has several, one large one at least.
LEFT_OUT = ("ewaste-images", "office-caltech10", "krish212-vgg", "caltech101-others")
RECIPE = tune.Recipe()
TRIAL = tune.Recipe(views=(1, 2, 3, 4), left_out=LEFT_OUT)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
THIN_VIEWS = (1, 2, 1, 2)
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


def train(work: Work, recipe: tune.Recipe, name: str) -> tuple[dict, dict]:
    """Probes, tunes; gives the weights that moved before and after. Kept as NAME.pt."""
    file = work.folder / f"{name}.pt"
    if file.exists():
        found = torch.load(file)
        return found["start"], found["end"]
    net = network.read(work.shared / KERAS, len(LABELS))
    held = held_out(work.sets, recipe.left_out)
    pooled = clean_features(work, work.keras, "keras-pooled")
    kinds = ("photos", "thumbnails")
    features, labels, sources = (
        np.concatenate([array[kind][~held[kind]] for kind in kinds])
        for array in (
            pooled,
            {kind: work.sets[kind].labels for kind in kinds},
            {kind: work.sets[kind].sources for kind in kinds},
        )
    )
    weights = probe.weights_of(labels, sources, OTHER)
    net.head.weight.data, net.head.bias.data = probe.fit(features, np.eye(len(LABELS))[labels], weights, PENALTY)
    start = {key: value.detach().clone() for key, value in tune.trained(net).items()}

    def read_view(number: int) -> tune.View:
        values, rows = work.view(str(number)), views.rows_of_view(work.sets, number)
        at, known = [], []
        for part, kind in enumerate(work.sets):
            keep = np.nonzero(~held[kind][rows[kind]])[0]
            at += [(part, row) for row in keep]
            known.append(work.sets[kind].labels[rows[kind][keep]])
        known = np.concatenate(known)
        targets = np.eye(len(LABELS), dtype=np.float32)[known]
        return tune.View(list(values.values()), np.array(at), targets, tune.counts_of(known))

    end = tune.tune(net, recipe, read_view)
    torch.save({"start": start, "end": end}, file)
    return start, end


def clean_features(work: Work, net: network.Network, name: str) -> dict[str, np.ndarray]:
    """`net`'s features of the clean pictures, kept as NAME.npz."""
    file = work.folder / f"{name}.npz"
    if not file.exists():
        upper = Frozen(net, "upper", (24, views.CLEAN // 8, views.CLEAN // 8))
        found = {}
        for kind, values in work.view("clean").items():
            found[kind] = np.concatenate([upper(values[at : at + 64]) for at in range(0, len(values), 64)])
        np.savez(file, **found)
    with np.load(file) as found:
        return dict(found)


def averaged(work: Work, start: dict, end: dict, share: float, left_out: tuple[str, ...], name: str) -> network.Network:
    """The network that far from `start` to `end`, with a head fitted anew to its features of the clean pictures."""
    net = network.read(work.shared / KERAS, len(LABELS))
    net.load_state_dict(tune.between(start, end, share), strict=False)
    held, features = held_out(work.sets, left_out), clean_features(work, net, name)
    kinds = list(work.sets)
    values = np.concatenate([features[kind][~held[kind]] for kind in kinds])
    labels = np.concatenate([work.sets[kind].labels[~held[kind]] for kind in kinds])
    sources = np.concatenate([work.sets[kind].sources[~held[kind]] for kind in kinds])
    weights = probe.weights_of(labels, sources, OTHER)
    head = probe.fit(values, np.eye(len(LABELS))[labels], weights, LAST_PENALTY)
    net.head.weight.data, net.head.bias.data = head
    return net


def left_out_values(work: Work) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations, labels and sources of some pictures that a trial does not learn from."""
    random = np.random.default_rng(0)
    held, clean = held_out(work.sets, LEFT_OUT), work.view("clean")
    values, labels, sources = [], [], []
    for kind in ("photos", "thumbnails"):
        pictures = work.sets[kind]
        for source in np.unique(pictures.sources[held[kind]]):
            for label in range(len(LABELS)):
                rows = np.nonzero(held[kind] & (pictures.sources == source) & (pictures.labels == label))[0]
                rows = np.sort(random.permutation(rows)[: SCORED_OTHER if label == OTHER else SCORED])
                values.append(clean[kind][rows])
                labels.append(np.full(len(rows), label))
                sources.append(np.full(len(rows), source))
    return np.concatenate(values), np.concatenate(labels), np.concatenate(sources)


def logits_of(net: network.Network, values: np.ndarray) -> np.ndarray:
    upper = Frozen(net, "answer", values.shape[1:])
    return np.concatenate([upper(values[at : at + 64]) for at in range(0, len(values), 64)])


def choose(work: Work) -> dict:
    """How far from the start, and how logits become answers: on the left-out sources, with a trial that has not seen them."""
    file = work.folder / "choice.json"
    if file.exists():
        return json.loads(file.read_text())
    start, end = train(work, TRIAL, "trial")
    values, labels, sources = left_out_values(work)
    photographs = sources != "cifar-100"
    rows, kept = [], {}
    for share in SHARES:
        net = averaged(work, start, end, share, LEFT_OUT, f"trial-{share}")
        logits = kept[share] = logits_of(net, values)
        print(scores.line(f"{share} of the way", logits[photographs], labels[photographs]), flush=True)
        rows.append(
            {
                "share": share,
                "photographs": scores.household(logits[photographs], labels[photographs])["mean"],
                "rejected": scores.rejected_at(0.05, scores.other_score(logits[photographs]), labels[photographs]),
                "thumbnails": scores.household(logits[~photographs], labels[~photographs])["mean"],
            }
        )
    # Photographs and what is rejected count the same, thumbnails half.
    best = max(rows, key=lambda row: row["photographs"] + row["rejected"] / 2 + row["thumbnails"] / 2)
    logits = kept[best["share"]]
    choice = {"rows": rows, "share": best["share"], **confidence.fit(logits[photographs], labels[photographs])}
    file.write_text(json.dumps(choice, indent=2))
    return choice


def household(work: Work, choice: dict) -> network.Network:
    start, end = train(work, RECIPE, "tuned")
    net = averaged(work, start, end, choice["share"], (), "features")
    net.head.bias.data[OTHER] += choice["shift"]
    network.write(work.folder / "household.npz", net.state_dict())
    return net


def thin(work: Work, dense: network.Network) -> network.Network:
    """The network with zeros, which shall answer as `dense` does."""
    file = work.folder / "sparse.npz"
    if file.exists():
        return network.read(file, len(LABELS))
    lower = work.folder / "thin-lower.npz"
    if not lower.exists():
        net = network.read(work.shared / KERAS, len(LABELS))
        sparse.thin_lower(work.keras, net, work.sets["photos"])
        network.write(lower, net.state_dict())
    thinned = network.read(lower, len(LABELS))
    net = network.read(work.folder / "household.npz", len(LABELS))
    net.load_state_dict(
        {key: value for key, value in thinned.state_dict().items() if key.startswith(sparse.LOWER)}, strict=False
    )

    def read_view(number: int):
        counts = [len(rows) for rows in views.rows_of_view(work.sets, number).values()]
        part = np.repeat(np.arange(len(counts)), counts)
        row = np.concatenate([np.arange(count) for count in counts])

        def reader(values: list[np.ndarray]):
            def read(samples: np.ndarray) -> torch.Tensor:
                batch = np.stack([values[part[at]][row[at]] for at in samples]).astype(np.float32)
                return torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)

            return read

        through_thin = views.ensure(work.sets, thinned, work.folder, f"{number}-thin")
        return reader(list(through_thin.values())), reader(list(work.view(str(number)).values())), len(part)

    for value in dense.parameters():
        value.requires_grad_(False)
    net.load_state_dict(sparse.thin_upper(dense, net, read_view, THIN_VIEWS), strict=False)
    network.write(file, net.state_dict())
    return net


def card(choice: dict) -> dict:
    """What the model file's provenance says of the training."""
    return {
        "from": "Keras Applications MobileNetV3-Small, ImageNet weights (Apache-2.0)",
        "data": "photographs of 11 sources and CIFAR-100's ten household classes: models/README.md lists them with their terms",
        "views": len(RECIPE.views),
        "share": choice["share"],
        "leftOut": list(LEFT_OUT),
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
    dense = household(work, choice)
    thin(work, dense)
    answers = {"temperature": choice["temperature"], "rejectClass": LABELS[OTHER]}
    (work.folder / "confidence.json").write_text(json.dumps(answers, indent=2))
    (work.folder / "card.json").write_text(json.dumps(card(choice), indent=2))
    print(f"done after {(time.time() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
