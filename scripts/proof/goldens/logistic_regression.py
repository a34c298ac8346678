"""Writes test/golden/logistic-regression.json: what scikit-learn finds in seeded features, for lib/learn to agree with.

python3 scripts/proof/goldens/logistic_regression.py      (needs scikit-learn, any version from 1.5 on)
"""

import json
from pathlib import Path

import numpy
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

SAMPLES, WIDTH, CLASSES = 240, 24, 5
TARGET = Path(__file__).parents[3] / "test/golden/logistic-regression.json"


def generated() -> tuple[numpy.ndarray, numpy.ndarray]:
    """Overlapping clusters of float32 features that are all positive, as pooled features are nearly."""
    random = numpy.random.default_rng(20)
    labels = random.integers(0, CLASSES, SAMPLES)
    centres = random.normal(0, 1, (CLASSES, WIDTH))
    features = numpy.abs(centres[labels] + random.normal(0, 2, (SAMPLES, WIDTH)))
    return features.round(3).astype(numpy.float32), labels


def main() -> None:
    features, labels = generated()
    fits = []
    for strength in (0.01, 1.0, 100.0):
        model = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(features.astype(float), labels)
        fits.append(
            {
                "strength": strength,
                "weights": model.coef_.round(9).tolist(),
                "probabilities": model.predict_proba(features.astype(float)).round(9).tolist(),
            }
        )
    nearest = NearestCentroid().fit(features.astype(float), labels).predict(features.astype(float))
    TARGET.write_text(
        json.dumps(
            {
                "sklearn": sklearn.__version__,
                "width": WIDTH,
                "classes": CLASSES,
                "features": features.astype(float).round(3).ravel().tolist(),
                "labels": labels.tolist(),
                "fits": fits,
                "nearest": nearest.tolist(),
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
