"""Writes test/golden/*.json with real PyTorch. See README.md beside this file."""

import argparse
import os
from pathlib import Path

import torch
from fp32 import activations, checkpoint_logits, random_logits
from household import Household
from pruning import prune_goldens
from quantization import quantize_goldens

ROOT = str(Path(__file__).resolve().parents[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default=os.environ.get("NEONSENSE_SHARED", os.path.join(ROOT, "..", "shared")))
    parser.add_argument("--out", default=os.path.join(ROOT, "test", "golden"))
    parser.add_argument("--only", nargs="+", choices=list(STAGES), default=list(STAGES))
    options = parser.parse_args()
    # One thread: sums are then split the same way on every run.
    torch.set_num_threads(1)
    for stage in options.only:
        STAGES[stage](options)


STAGES = {
    "checkpoints": lambda options: checkpoint_logits(Household(options.shared), options.out),
    "random": lambda options: random_logits(options.out),
    "activations": lambda options: activations(Household(options.shared), options.out),
    "prune": lambda options: prune_goldens(Household(options.shared), options.out),
    "quantize": lambda options: quantize_goldens(Household(options.shared), options.out),
}

if __name__ == "__main__":
    main()
