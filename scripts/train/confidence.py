"""How logits become answers that can be trusted: temperature, and how easily "none of these" wins."""

import numpy as np
from photos import OTHER

BINS = 15
# Divisors of the logits to choose from.
TEMPERATURES = np.arange(14, 31) / 20
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
    errors = [calibration_error(logits, labels, temperature) for temperature in TEMPERATURES]
    temperature = float(TEMPERATURES[np.argmin(errors)])
    shift = shift_for(LOST, logits, labels)
    return {
        "shift": shift,
        "temperature": temperature,
        "calibrationError": min(errors),
    }
