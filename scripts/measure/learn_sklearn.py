#!/usr/bin/env python3
"""
scikit-learn's LogisticRegression on the features that `node scripts/measure/learn.mjs --features FOLDER` wrote, beside what
`learn` made of the same photographs: with the regularization `learn` chose, and with the one LogisticRegressionCV chooses.

    python3 scripts/measure/learn_sklearn.py FOLDER

Prints one JSON object a line. Needs numpy and scikit-learn.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

OTHER = "other"


def named_right(head: LogisticRegression, features: np.ndarray, wanted: list[str], labels: list[str]) -> float:
    """Share of the photographs of the classes named right, the best class but `other` being the answer."""
    scores = head.decision_function(features)
    for column, label in enumerate(head.classes_):
        if labels[label] == OTHER:
            scores[:, column] = -np.inf
    answers = [labels[head.classes_[column]] for column in scores.argmax(axis=1)]
    ours = [index for index, label in enumerate(wanted) if label != OTHER]
    return float(np.mean([answers[index] == wanted[index] for index in ours]))


def main() -> None:
    warnings.filterwarnings("ignore")
    folder = Path(sys.argv[1])
    for file in sorted(folder.glob("*.json")):
        facts = json.loads(file.read_text())
        width, labels = facts["width"], facts["labels"]
        train = np.fromfile(folder / f"{file.stem}-train.f32", dtype=np.float32).reshape(-1, width)
        test = np.fromfile(folder / f"{file.stem}-test.f32", dtype=np.float32).reshape(-1, width)
        truth = np.array(facts["train"])
        row = {"run": file.stem, "photos": len(truth)}
        strength = facts["method"].get("strength")
        if strength is not None:
            head = LogisticRegression(C=strength, max_iter=2000).fit(train, truth)
            row["sameStrength"] = round(named_right(head, test, facts["test"], labels), 3)
        strengths = [c / train.var(axis=0).mean() for c in (1e-4, 1e-3, 1e-2, 1e-1, 1)]
        folds = min(5, int(np.bincount(truth).min()))
        chosen = LogisticRegressionCV(Cs=strengths, cv=folds, max_iter=500, n_jobs=1).fit(train, truth)
        row["ownStrength"] = round(named_right(chosen, test, facts["test"], labels), 3)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
