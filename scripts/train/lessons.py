"""What a run is taught: of each view the pictures it may learn from, what they are taken for and what the teacher makes of them."""

from collections.abc import Callable

import numpy as np
import probe
import teacher
import torch
import views
from photos import LABELS, OTHER, Pictures, learnt_of
from samples import Samples, counts_of

# Of the teacher's answers in what a picture is taken for; the rest is its label. Thumbnails the teacher knows less well than we do.
TAUGHT = {"photos": 0.7, "thumbnails": 0.0, "synthetic": 0.7}


def learnt_rows(view: views.View, held: np.ndarray) -> np.ndarray:
    """Which samples of a view a run may learn from: neither they nor what shows through them is held out."""
    beneath = (view.beneath >= 0) & held[view.beneath]
    return np.nonzero(~held[view.rows] & ~beneath)[0]


class Lessons:
    """`held` says which pictures of each kind are not learnt from, `read(number)` gives the views; 0 is the clean one."""

    def __init__(
        self,
        sets: dict[str, Pictures],
        held: dict[str, np.ndarray],
        read: Callable[[int], dict[str, views.View]],
        published: dict[str, torch.Tensor],
    ):
        self.sets, self.held, self.read = sets, held, read
        clean = read(0)
        self.labels = self.learnt({kind: pictures.labels for kind, pictures in sets.items()})
        self.sources = self.learnt({kind: pictures.sources for kind, pictures in sets.items()})
        self.wanted = self.learnt({kind: view.wanted for kind, view in clean.items()}).astype(np.float32)
        self.answers = teacher.fit(published, self.wanted, self.labels, self.sources)
        self.aims = self.learnt({kind: self.targets(kind, view) for kind, view in clean.items()})

    def learnt(self, of: dict[str, np.ndarray]) -> np.ndarray:
        """Of what is there for every picture, that of those learnt from."""
        return learnt_of(of, self.held)

    def targets(self, kind: str, view: views.View) -> np.ndarray:
        said = self.answers(view.wanted.astype(np.float32))
        share = np.where(view.beneath >= 0, 1.0, TAUGHT[kind])[:, None]
        known = np.eye(len(LABELS))[self.sets[kind].labels[view.rows]]
        return ((1 - share) * known + share * said).astype(np.float32)

    def head(self, pooled: dict[str, np.ndarray], penalty: float) -> tuple[torch.Tensor, torch.Tensor]:
        """A linear layer from a network's features of the clean pictures to what they are taken for."""
        weights = probe.weights_of(self.labels, self.sources, OTHER)
        return probe.fit(self.learnt(pooled), self.aims, weights, penalty)

    def teller(self, pooled: dict[str, np.ndarray]) -> torch.nn.Linear:
        """The same to the teacher's features, standardized."""
        layer = torch.nn.Linear(self.learnt(pooled).shape[1], teacher.FEATURES)
        layer.weight.data, layer.bias.data = probe.ridge(self.learnt(pooled), self.answers.standardized(self.wanted))
        return layer

    def count(self, number: int) -> int:
        return sum(len(learnt_rows(view, self.held[kind])) for kind, view in self.read(number).items())

    def samples(self, number: int) -> Samples:
        view = self.read(number)
        keep = {kind: learnt_rows(view[kind], self.held[kind]) for kind in self.sets}

        def kept(of: Callable[[str], np.ndarray]) -> np.ndarray:
            return np.concatenate([of(kind)[keep[kind]] for kind in self.sets])

        return Samples(
            [view[kind].values for kind in self.sets],
            np.array([(part, row) for part, kind in enumerate(self.sets) for row in keep[kind]]),
            kept(lambda kind: self.targets(kind, view[kind])),
            counts_of(kept(lambda kind: self.sets[kind].labels[view[kind].rows])),
            self.answers.standardized(kept(lambda kind: view[kind].wanted.astype(np.float32))),
        )
