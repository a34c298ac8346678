"""How good logits are: the ten classes, and whether other things are told from them."""

import numpy as np
from photos import LABELS, OTHER


def household(logits: np.ndarray, labels: np.ndarray) -> dict:
    """Top-1 among the ten classes of pictures that are one of them: each class and the mean of classes, in percent."""
    guess = logits[:, :OTHER].argmax(1)
    each = {LABELS[c]: 100 * float((guess[labels == c] == c).mean()) for c in range(OTHER) if (labels == c).any()}
    return {"mean": float(np.mean(list(each.values()))), "each": each}


def other_score(logits: np.ndarray) -> np.ndarray:
    """Probability of the eleventh output."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted[:, OTHER] / shifted.sum(1)


def rejected_at(lost: float, scores: np.ndarray, labels: np.ndarray) -> float:
    """Percent of other things above the threshold that loses this share of household pictures."""
    threshold = np.quantile(scores[labels < OTHER], 1 - lost)
    return 100 * float((scores[labels == OTHER] > threshold).mean())


def line(name: str, logits: np.ndarray, labels: np.ndarray) -> str:
    found = household(logits, labels)
    each = " ".join(f"{label[:4]} {value:.0f}" for label, value in found["each"].items())
    text = f"{name}: mean {found['mean']:.1f} ({each})"
    if (labels == OTHER).any():
        text += f" rejected at 5 % lost {rejected_at(0.05, other_score(logits), labels):.1f}"
    return text
