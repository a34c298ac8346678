"""The household test pictures and the checkpoints, as PyTorch sees them."""

import hashlib
import os

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models import mobilenet_v3_small

CHECKPOINTS = ("udacisense-fp32", "household-first")

# Two pictures of each class (the file is sorted by class, 100 each).
TWENTY = list(range(25, 1000, 50))

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Household:
    def __init__(self, shared):
        data = os.path.join(shared, "data")
        self.images = np.fromfile(os.path.join(data, "household_test.bin"), np.uint8).reshape(-1, 32, 32, 3)
        self.labels = np.fromfile(os.path.join(data, "household_test_labels.bin"), np.uint8)
        self.shared = shared

    def inputs(self, indices):
        """float32 `[N, 3, 224, 224]`."""
        pixels = torch.from_numpy(self.images[indices]).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        std = torch.tensor(STD).view(1, 3, 1, 1)
        return F.interpolate((pixels - mean) / std, size=(224, 224), mode="bilinear", align_corners=False)

    def checkpoint_file(self, name):
        return os.path.join(self.shared, "checkpoints", f"{name}.pth")

    def network(self, name):
        model = mobilenet_v3_small(num_classes=10)
        model.load_state_dict(torch.load(self.checkpoint_file(name), map_location="cpu"))
        return model.eval()

    def checkpoint_sha256(self, name):
        with open(self.checkpoint_file(name), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def logits(self, model, indices=None, batch=50):
        """float32 `[N, classes]`, run in batches of `batch`."""
        indices = list(range(len(self.images))) if indices is None else list(indices)
        parts = []
        with torch.no_grad():
            for start in range(0, len(indices), batch):
                parts.append(model(self.inputs(indices[start : start + batch])).numpy())
        return np.concatenate(parts)

    def correct(self, logits):
        """How many of all test pictures have their label first, and among the first five."""
        order = torch.from_numpy(logits).topk(5, dim=1).indices.numpy()
        hits = order == self.labels[:, None]
        return {"images": len(self.labels), "top1": int(hits[:, 0].sum()), "top5": int(hits.any(axis=1).sum())}
