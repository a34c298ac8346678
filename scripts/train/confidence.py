"""How logits become answers that can be trusted: temperature, and how easily "none of these" wins."""

import numpy as np
from photos import OTHER

BINS = 15
# Share of the household pictures that may be rejected.
LOST = 0.05


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def shift_for(lost: float, logits: np.ndarray, labels: np.ndarray) -> float:
    """What to add to the eleventh logit so that it wins on this share of household pictures."""
    household = logits[labels < OTHER]
    lead = household[:, :OTHER].max(1) - household[:, OTHER]
    return float(np.quantile(lead, lost))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T that makes softmax(logits / T) most likely (Guo et al. 2017). Convex in 1 / T, so bisection on its slope."""
    logits = logits.astype(np.float64)

    def slope(inverse: float) -> float:
        expected = (softmax(logits * inverse) * logits).sum(1)
        return float((expected - logits[np.arange(len(labels)), labels]).mean())

    low, high = 0.05, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def calibration_error(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Expected calibration error of household pictures' best class over equal bins of its probability."""
    household = labels < OTHER
    probabilities = softmax(logits[household][:, :OTHER] / temperature)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels[household]
    bins = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1)
    return float(
        sum(abs(confidence[bins == at].sum() - right[bins == at].sum()) for at in range(BINS)) / household.sum()
    )


def fit(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Shift of the eleventh logit, and the temperature of the ten: probabilities are shown among these."""
    household = labels < OTHER
    temperature = fit_temperature(logits[household][:, :OTHER], labels[household])
    shift = shift_for(LOST, logits, labels)
    return {
        "shift": shift,
        "temperature": temperature,
        "calibrationError": calibration_error(logits, labels, temperature),
    }
