"""The parts of training that need no training: python3 -m unittest discover -s scripts/train/tests"""

import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import confidence
import distance
import lessons
import network
import probe
import run
import scores
import synthetic
import teacher
import tune
import views
from photos import LABELS, OTHER, Pictures
from samples import Samples, counts_of

# Table 2 of Howard et al. 2019: kernel, expansion, channels out, squeeze and excitation, hard swish (else ReLU), stride.
TABLE = [
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
]


def random_weights(seed: int = 1) -> dict[str, np.ndarray]:
    """A network's weights as the Keras file names them."""
    random = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}

    def layer(name: str, *shape: int) -> None:
        spread = (2 / np.prod(shape[1:])) ** 0.5
        found[f"{name}.weight"] = random.normal(0, spread, shape).astype(np.float32)
        found[f"{name}.bias"] = random.normal(0, 0.1, shape[0]).astype(np.float32)

    layer("stem", 16, 3, 3, 3)
    channels = 16
    for number, (kernel, inner, outputs, excited, _, _) in enumerate(TABLE, 1):
        name = f"features.{number}"
        if inner != channels:
            layer(f"{name}.exp", inner, channels)
        layer(f"{name}.dw", inner, 1, kernel, kernel)
        if excited:
            layer(f"{name}.se.fc1", inner // 4, inner)
            layer(f"{name}.se.fc2", inner, inner // 4)
        layer(f"{name}.pr", outputs, inner)
        channels = outputs
    layer("last", 576, 96)
    return found


def reference_features(weights: dict[str, np.ndarray], pictures: torch.Tensor) -> torch.Tensor:
    """Keras' folded network written out in double: [N, 3, H, W] in -1..1 to pooled features [N, 576]."""

    def convolve(x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight = torch.from_numpy(weights[f"{name}.weight"]).double()
        weight = weight if weight.ndim == 4 else weight[:, :, None, None]
        side, size = weight.shape[-1], x.shape[-1]
        # TF's SAME: ceil(size / stride) outputs, the odd pixel of padding at the end.
        total = max((-(-size // stride) - 1) * stride + side - size, 0)
        x = F.pad(x, (total // 2, total - total // 2) * 2)
        return F.conv2d(x, weight, torch.from_numpy(weights[f"{name}.bias"]).double(), stride, groups=groups)

    def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
        return (x + 3).clamp(0, 6) / 6

    def hard_swish(x: torch.Tensor) -> torch.Tensor:
        return x * hard_sigmoid(x)

    x = hard_swish(convolve(pictures.double(), "stem", 2))
    for number, (_, inner, _, excited, swish, stride) in enumerate(TABLE, 1):
        activate = hard_swish if swish else torch.relu
        before, name = x, f"features.{number}"
        if f"{name}.exp.weight" in weights:
            x = activate(convolve(x, f"{name}.exp"))
        x = activate(convolve(x, f"{name}.dw", stride, inner))
        if excited:
            squeezed = torch.relu(convolve(x.mean((2, 3), keepdim=True), f"{name}.se.fc1"))
            x = x * hard_sigmoid(convolve(squeezed, f"{name}.se.fc2"))
        x = convolve(x, f"{name}.pr")
        if x.shape == before.shape:
            x = x + before
    return hard_swish(convolve(x, "last")).mean((2, 3))


def some_photographs(count: int) -> Pictures:
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (count, 224, 224, 3)).astype(np.uint8)
    return Pictures(
        pixels, np.arange(count) % len(LABELS), np.full(count, "a"), np.linspace(0.5, 2, count, dtype=np.float32)
    )


class NetworkTest(unittest.TestCase):
    def test_computes_what_keras_network_written_out_does(self) -> None:
        weights = random_weights()
        pictures = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(3)) * 2 - 1
        wanted = reference_features(weights, pictures)
        with torch.no_grad():
            found = network.Network(weights, 11).pooled(pictures)
        self.assertLess(float((found - wanted).abs().max() / wanted.abs().max()), 1e-4)

    def test_lower_and_upper_layers_make_the_whole(self) -> None:
        whole = network.Network(random_weights(), 11)
        pictures = torch.rand(1, 3, 192, 192) * 2 - 1
        with torch.no_grad():
            values = whole.lower(pictures)
            self.assertEqual(tuple(values.shape), (1, network.FROZEN_CHANNELS, 192 // network.FROZEN_STRIDE, 12))
            torch.testing.assert_close(whole.upper(values), whole.pooled(pictures))

    def test_written_weights_are_read_back_the_same(self) -> None:
        whole = network.Network(random_weights(), 11)
        torch.nn.init.normal_(whole.head.weight)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.npz"
            network.write(file, whole.state_dict())
            self.assertEqual([entry.name for entry in Path(folder).iterdir()], ["network.npz"])
            again = network.read(file, 11).state_dict()
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(again[name], value, rtol=0, atol=0)


class ViewsTest(unittest.TestCase):
    def test_drawn_views_are_pictures_and_the_same_for_the_same_seed(self) -> None:
        pictures, rows = some_photographs(5), np.arange(5)
        first = views.drawn(pictures, rows, torch.Generator().manual_seed(1), 64)
        self.assertEqual(tuple(first.shape), (5, 3, 64, 64))
        self.assertTrue(bool(((first >= 0) & (first <= 1)).all()))
        again = views.drawn(pictures, rows, torch.Generator().manual_seed(1), 64)
        torch.testing.assert_close(first, again, rtol=0, atol=0)
        other = views.drawn(pictures, rows, torch.Generator().manual_seed(2), 64)
        self.assertGreater(float((first - other).abs().mean()), 0.01)

    def test_what_shows_through_a_picture_is_the_one_before_it_and_no_more_than_half_of_what_is_seen(self) -> None:
        batch = torch.eye(8).view(8, 1, 1, 8)
        seen, through = views.blended(batch, torch.Generator().manual_seed(1))
        shares = (seen * batch.roll(1, 0)).sum((1, 2, 3))
        self.assertTrue(bool(through.any() and not through.all()))
        self.assertTrue(bool(((shares > 0) == through).all() and (shares <= 0.5).all()))
        torch.testing.assert_close((seen * batch).sum((1, 2, 3)), 1 - shares)

    def test_a_view_says_what_the_network_and_the_teacher_make_of_the_same_pictures(self) -> None:
        pictures, rows = some_photographs(5), np.array([4, 0, 2])
        side = views.DRAWN // network.FROZEN_STRIDE

        def lower(pixels: np.ndarray) -> np.ndarray:
            self.assertEqual(pixels.shape[1:], (3, views.DRAWN, views.DRAWN))
            return np.broadcast_to(pixels.mean((1, 2, 3))[:, None, None, None], (len(pixels), 48, side, side))

        def larger(pixels: np.ndarray) -> np.ndarray:
            self.assertEqual(pixels.shape[1:], (3, views.CLEAN, views.CLEAN))
            return np.broadcast_to(pixels.mean((1, 2, 3))[:, None], (len(pixels), teacher.FEATURES))

        with tempfile.TemporaryDirectory() as folder:
            views.make(pictures, rows, lower, larger, Path(folder) / "photos-2.npy", 2)
            view = views.read(Path(folder), ["photos"], 2)["photos"]
            self.assertEqual(view.rows.tolist(), rows.tolist())
            self.assertTrue(set(view.beneath.tolist()) <= {-1, 4, 0, 2})
            np.testing.assert_allclose(view.values[:, 0, 0, 0], view.wanted[:, 0], atol=2e-3)

    def test_a_view_takes_sources_by_turns_and_no_more_than_the_limit_of_a_class(self) -> None:
        labels = np.array([0] * 1000 + [1] * 10)
        sources = np.array(["large"] * 900 + ["small"] * 100 + ["small"] * 10)
        empty = np.zeros((len(labels), 1, 1, 3), np.uint8)
        rows = views.rows_of_view({"photos": Pictures(empty, labels, sources, np.ones(len(labels)))}, 1)["photos"]
        self.assertEqual(np.bincount(labels[rows]).tolist(), [views.PER_CLASS["photos"], 10])
        self.assertEqual(int((sources[rows][labels[rows] == 0] == "small").sum()), 100)


@unittest.skipIf(tuple(map(int, PIL.__version__.split(".")[:2])) < (10, 1), "needs Pillow 10.1 for text of any size")
class SyntheticTest(unittest.TestCase):
    def test_every_class_is_drawn_and_nothing_repeats(self) -> None:
        pictures = synthetic.make_synthetic(each=2, nothing=8)
        self.assertEqual(np.bincount(pictures.labels).tolist(), [2] * OTHER + [8])
        self.assertEqual(len({picture.tobytes() for picture in pictures.pixels}), len(pictures))


class HeldOutTest(unittest.TestCase):
    def test_a_variant_is_the_mean_of_its_runs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            work = SimpleNamespace(folder=Path(folder), network=torch.load)
            for run_number, value in enumerate((1.0, 3.0)):
                run.keep({"last": torch.full((2,), value)}, run.kept_as(work, "household", (), run_number))
            torch.testing.assert_close(run.average(work, "household", ())["last"], torch.full((2,), 2.0))

    def test_a_run_learns_neither_from_what_is_held_out_nor_from_what_it_shows_through(self) -> None:
        nothing = np.zeros((4, 1), np.float16)
        view = views.View(nothing, np.array([0, 1, 2, 3]), np.array([-1, 3, 0, -1]), nothing)
        held = np.array([False, False, False, True])
        self.assertEqual(lessons.learnt_rows(view, held).tolist(), [0, 2])

    def test_every_drawn_view_is_seen_as_often_as_the_others(self) -> None:
        seen = np.bincount(run.VIEWS)
        self.assertEqual(len(set(seen[1:])), 1)
        self.assertEqual(len(seen), run.DRAWN_VIEWS + 1)


class TuneTest(unittest.TestCase):
    def tuned(self, whole: network.Network, recipe: tune.Recipe) -> dict[str, torch.Tensor]:
        values = np.random.default_rng(0).normal(size=(96, network.FROZEN_CHANNELS, 4, 4)).astype(np.float16)
        targets = np.eye(11, dtype=np.float32)[np.arange(96) % 11]
        samples = Samples(
            [values],
            np.array([(0, row) for row in range(96)]),
            targets,
            np.ones(96, np.float32),
            np.full((96, 6), 0.5, np.float32),
        )
        published = {"_fc.weight": torch.randn(7, 6), "_fc.bias": torch.zeros(7)}
        answers = teacher.Answers(
            published, np.zeros((11, 13)), np.zeros(11), np.zeros(6, np.float32), np.ones(6, np.float32)
        )
        taught = SimpleNamespace(answers=answers, samples=lambda _: samples, count=lambda _: 96)
        return tune.tune(whole, taught, torch.nn.Linear(network.FEATURES, 6), recipe)

    def test_lower_layers_stay_as_they_are(self) -> None:
        whole = network.Network(random_weights(), 11)
        before = {name: value.clone() for name, value in whole.state_dict().items()}
        end = self.tuned(whole, tune.Recipe((1,)))
        moved = {name for name, value in whole.state_dict().items() if not torch.equal(value, before[name])}
        frozen = ("stem.", *(f"features.{block}." for block in range(1, 9)))
        self.assertFalse({name for name in moved if name.startswith(frozen)})
        self.assertIn("last.weight", moved)
        self.assertEqual(set(end), set(tune.trained(whole)))

    def test_the_wanted_share_of_each_trained_1x1_convolution_becomes_zero(self) -> None:
        end = self.tuned(network.Network(random_weights(), 11), tune.Recipe((1,), zeros=0.8))
        thin = {"last.weight"} | {
            f"features.{block}.{layer}.weight" for block in (9, 10, 11) for layer in ("exp", "pr", "se.fc1", "se.fc2")
        }
        for name, value in end.items():
            zeros = float((value == 0).float().mean())
            self.assertAlmostEqual(zeros, 0.8 if name in thin else 0, delta=0.001, msg=name)

    def test_rare_classes_count_more_up_to_a_limit(self) -> None:
        counts = counts_of(np.array([0] * 100 + [1] * 50 + [2]))
        self.assertAlmostEqual(float(counts[100] / counts[0]), 2, places=5)
        self.assertAlmostEqual(float(counts[150]), 2.5, places=5)


class ProbeTest(unittest.TestCase):
    def test_ridge_finds_a_line(self) -> None:
        random = np.random.default_rng(0)
        values, line = random.normal(size=(500, 4)), random.normal(size=(3, 4))
        weight, bias = probe.ridge(values, values @ line.T + 2, 1e-9)
        np.testing.assert_allclose(weight.numpy(), line, atol=1e-4)
        np.testing.assert_allclose(bias.numpy(), 2, atol=1e-4)

    def test_classes_weigh_the_same_and_other_things_three_times(self) -> None:
        labels = np.array([0] * 10 + [1] * 90 + [OTHER] * 5)
        sources = np.array(["a"] * 10 + ["a"] * 81 + ["b"] * 9 + ["a"] * 5)
        weights = probe.weights_of(labels, sources, OTHER)
        sums = [weights[labels == label].sum() for label in (0, 1, OTHER)]
        np.testing.assert_allclose(sums, [0.2, 0.2, 0.6])
        # 81 pictures of one source count three times as much as nine of another.
        np.testing.assert_allclose(weights[10:91].sum() / weights[91:100].sum(), 3)

    def test_separates_what_a_line_separates(self) -> None:
        random = np.random.default_rng(0)
        labels = np.repeat([0, 1], 50)
        features = random.normal(size=(100, 3)) + np.where(labels, 4, 0)[:, None]
        weight, bias = probe.fit(features, np.eye(2)[labels], np.full(100, 0.01), 1e-3)
        guess = (torch.from_numpy(features).float() @ weight.T + bias).argmax(1).numpy()
        self.assertGreater((guess == labels).mean(), 0.97)


class TeacherTest(unittest.TestCase):
    def test_has_the_shape_of_efficientnet_lite2(self) -> None:
        # Tan and Le's table 1, 1.1 times as wide and 1.2 times as deep.
        whole = teacher.Teacher()
        self.assertEqual(len(whole.blocks), 21)
        self.assertEqual([to for to in map(teacher.to_eight, (16 * 1.1, 24 * 1.1, 320 * 1.1))], [16, 24, 352])
        with torch.no_grad():
            self.assertEqual(tuple(whole.eval()(torch.zeros(1, 3, 64, 64)).shape), (1, teacher.FEATURES))

    def test_answers_in_our_classes_and_knows_the_standard_of_what_it_learnt_from(self) -> None:
        random = np.random.default_rng(0)
        labels = np.arange(66) % len(LABELS)
        features = random.normal(size=(66, 12)).astype(np.float32) + 4 * np.eye(12, dtype=np.float32)[labels]
        published = {"_fc.weight": torch.zeros(5, 12), "_fc.bias": torch.zeros(5)}
        learnt = slice(0, 44)
        answers = teacher.fit(published, features[learnt], labels[learnt], np.full(44, "a"))
        said = answers(features)
        np.testing.assert_allclose(said.sum(1), 1, rtol=1e-5)
        self.assertGreater(float((said.argmax(1) == labels)[44:].mean()), 0.9)
        np.testing.assert_allclose(answers.standardized(features[learnt]).mean(0), 0, atol=1e-3)


class DistanceTest(unittest.TestCase):
    def setUp(self) -> None:
        random = np.random.default_rng(3)
        self.labels = np.arange(2200) % 11
        self.features = random.normal(0, 1, (2200, 60)) + 2 * np.eye(60)[self.labels]
        self.photographs = random.random(2200) < 0.5
        self.random = random

    def test_what_is_like_no_picture_learnt_is_farther_than_the_classes_are(self) -> None:
        directions = distance.fit(self.features, self.labels, self.photographs)
        near = directions.lengths(self.features[self.labels < OTHER])
        far = directions.lengths(self.random.normal(0, 4, (200, 60)))
        self.assertGreater(np.median(far), np.quantile(near, 0.99))

    def test_the_hidden_layer_answers_what_the_linear_one_and_the_lengths_do(self) -> None:
        directions = distance.fit(self.features, self.labels, self.photographs)
        weight, bias = self.random.normal(0, 1, (11, 60)), self.random.normal(0, 1, 11)
        layers = distance.classifier(weight, bias, directions, self.features)
        values = torch.from_numpy(self.features).float()
        hidden = F.hardswish(F.linear(values, layers["hidden.weight"], layers["hidden.bias"]))
        answered = F.linear(hidden, layers["head.weight"], layers["head.bias"]).numpy()
        expected = self.features @ weight.T + bias
        expected[:, OTHER] += directions.lengths(self.features)
        np.testing.assert_allclose(answered, expected, atol=1e-3)


class ConfidenceTest(unittest.TestCase):
    def test_temperature_takes_away_a_known_factor(self) -> None:
        random = np.random.default_rng(0)
        logits = random.normal(0, 2, (20000, 11))
        logits[:, OTHER] = -100
        chosen = np.array([random.choice(11, p=row) for row in confidence.softmax(logits)])
        self.assertAlmostEqual(confidence.fit(1.3 * logits, chosen)["temperature"], 1.3, delta=0.06)

    def test_the_shift_rejects_the_share_that_may_be_lost(self) -> None:
        random = np.random.default_rng(1)
        logits, labels = random.normal(0, 2, (1000, 11)), np.arange(1000) % 10
        logits[:, OTHER] += confidence.shift_for(0.05, logits, labels)
        lost = (logits.argmax(1) == OTHER).mean()
        self.assertAlmostEqual(float(lost), 0.05, delta=0.002)

    def test_calibration_error_of_a_case_for_paper(self) -> None:
        # Two pictures whose best class has a probability of 3/4 among two outputs; one of them is right.
        logits = np.full((2, 11), -100.0)
        logits[:, 0], logits[:, 1] = np.log(3), 0
        self.assertAlmostEqual(confidence.calibration_error(logits, np.array([0, 1]), 1), 0.25)


class ScoresTest(unittest.TestCase):
    def test_classes_count_the_same_and_other_things_not_at_all(self) -> None:
        logits = np.zeros((5, 11))
        logits[[0, 1, 2], 3] = 1
        logits[3, 4] = 1
        logits[:, OTHER] = 9
        found = scores.household(logits, np.array([3, 3, 5, 4, OTHER]))
        self.assertEqual(found["each"], {"telephone": 100, "television": 100, "bed": 0})
        self.assertAlmostEqual(found["mean"], 200 / 3)

    def test_rejection_is_counted_where_the_wanted_share_is_lost(self) -> None:
        labels = np.array([0] * 20 + [OTHER] * 4)
        values = np.array([*np.linspace(0, 0.5, 20), 0.1, 0.49, 0.9, 0.95])
        self.assertEqual(scores.rejected_at(0.05, values, labels), 75)


if __name__ == "__main__":
    unittest.main()
