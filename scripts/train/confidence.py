"""How far the network's probabilities can be trusted: temperature, calibration error, rejecting what is none of the classes."""

import torch
import torch.nn.functional as F

BINS = 15


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The T that makes softmax(logits / T) most likely (Guo et al. 2017). Convex in 1 / T, so bisection on its slope."""
    logits = logits.double()

    def slope(inverse: float) -> float:
        taken = logits.gather(1, labels[:, None]).squeeze(1)
        return float((((logits * inverse).softmax(1) * logits).sum(1) - taken).mean())

    low, high = 0.05, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)


def calibration_error(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    """Expected calibration error over equal-width bins: mean |accuracy - confidence|, weighted by how full a bin is."""
    confidence, guess = (logits / temperature).softmax(1).max(1)
    right = (guess == labels).float()
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    total = 0.0
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            total += float(inside.float().mean() * (right[inside].mean() - confidence[inside].mean()).abs())
    return total


def threshold_for(answered: float, logits: torch.Tensor, temperature: float) -> float:
    """The top probability that the share `answered` of the pictures reaches."""
    confidence = (logits / temperature).softmax(1).max(1).values
    return float(torch.quantile(confidence, 1 - answered))


def rejection_table(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> list[dict[str, float]]:
    """For thresholds on the top probability: which share of pictures is answered, and how many answers are right."""
    confidence, guess = (logits / temperature).softmax(1).max(1)
    rows = []
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        answered = confidence >= threshold
        right = float((guess == labels)[answered].float().mean()) if answered.any() else 1.0
        rows.append({"threshold": threshold, "answered": float(answered.float().mean()), "right": right})
    return rows


def summary(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> dict:
    """Top-1, top-5, accuracy of each class, confusion counts [true][guessed] and calibration error."""
    classes = logits.shape[1]
    guess = logits.argmax(1)
    top5 = (logits.topk(5, 1).indices == labels[:, None]).any(1)
    confusion = F.one_hot(labels, classes).T.float() @ F.one_hot(guess, classes).float()
    return {
        "images": len(labels),
        "top1": float((guess == labels).float().mean()),
        "top5": float(top5.float().mean()),
        "perClass": (confusion.diag() / confusion.sum(1)).tolist(),
        "confusion": confusion.int().tolist(),
        "ece": calibration_error(logits, labels, temperature),
    }
