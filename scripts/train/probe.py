"""A linear head on features that stay as they are: where training starts from, and what other features are judged by."""

import numpy as np
import torch
import torch.nn.functional as F


def weights_of(labels: np.ndarray, sources: np.ndarray, other: int) -> np.ndarray:
    """
    What each picture counts: every class the same in sum, `other` three times that; within a class sources by the root of how many
    pictures they have, so that neither the largest source alone is learnt nor ten pictures count like a thousand.
    """
    counts = np.zeros(len(labels))
    for label in np.unique(labels):
        of_class = labels == label
        names, numbers = np.unique(sources[of_class], return_counts=True)
        shares = dict(zip(names, np.sqrt(numbers) / np.sqrt(numbers).sum() / numbers))
        counts[of_class] = [shares[name] * (3 if label == other else 1) for name in sources[of_class]]
    return counts / counts.sum()


def fit(
    features: np.ndarray, targets: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Multinomial logistic regression on standardized features; targets [N, classes]. Gives weight [classes, F] and bias."""
    values, targets = torch.from_numpy(features).float(), torch.from_numpy(targets).float()
    weights = torch.from_numpy(weights).float()
    mean, spread = values.mean(0), values.std(0) + 1e-6
    values = (values - mean) / spread
    weight = torch.zeros(targets.shape[1], values.shape[1], requires_grad=True)
    bias = torch.zeros(targets.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (
            -(targets * F.log_softmax(F.linear(values, weight, bias), 1)).sum(1) @ weights
            + penalty * weight.square().sum()
        )
        loss.backward()
        return loss

    optimizer.step(closure)
    weight, bias = weight.detach(), bias.detach()
    return weight / spread, bias - weight @ (mean / spread)


def ridge(features: np.ndarray, wanted: np.ndarray, penalty: float = 1e-2) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear layer, weight [W, F] and bias, nearest to `wanted` [N, W] by least squares; penalty in mean variances of a feature."""
    mean = features.mean(0, dtype=np.float64)
    values = features - mean
    spread = values.T @ values / len(values)
    weight = np.linalg.solve(
        spread + penalty * np.trace(spread) / len(spread) * np.eye(len(spread)), values.T @ wanted / len(values)
    )
    bias = wanted.mean(0) - mean @ weight
    return torch.from_numpy(weight.T.copy()).float(), torch.from_numpy(bias).float()
