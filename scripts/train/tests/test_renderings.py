"""Reading and scoring of rendered furniture, on catalogues made here."""

import contextlib
import io
import json
import struct
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import keras_weights
import renderings
import train
from data import LABELS, Pictures

MODELS = HERE.parents[2] / "models"


def png(colour: tuple[int, int, int, int], size: tuple[int, int] = (128, 128)) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", size, colour).save(file, "png")
    return file.getvalue()


def catalogue(path: Path, entries: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        lines = ["# furniture", "id=of no interest"]
        for number, (name, image) in enumerate(entries, 1):
            lines += [f"name#{number}={name}", f"icon#{number} = /icons/{number}.png"]
            file.writestr(f"icons/{number}.png", image)
        file.writestr(renderings.PROPERTIES, "\n".join(lines).encode("latin-1"))


class Always(torch.nn.Module):
    """Says one class, whatever it sees."""

    def __init__(self, label: str):
        super().__init__()
        self.answer = 2 * torch.eye(len(LABELS))[LABELS.index(label)]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.answer.expand(len(pixels), -1)


class Catalogues(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def labels(self) -> list[str]:
        return [LABELS[label] for label in renderings.read_catalogues(self.folder).labels]

    def test_furniture_gets_the_class_its_name_says_and_what_is_no_class_or_two_is_left_out(self):
        names = ("Cuckoo clock", "Armchair", "Bedside table", "Crib", "Keyboard", "Wooden desk", "Table fan")
        catalogue(self.folder / "a.sh3f", [(name, png((index, 0, 0, 255))) for index, name in enumerate(names)])
        self.assertEqual(self.labels(), ["clock", "bed", "table"])

    def test_all_catalogues_below_the_folder_count_and_a_picture_once(self):
        (self.folder / "deep").mkdir()
        catalogue(self.folder / "a.sh3f", [("Chair", png((1, 0, 0, 255))), ("Chair", png((1, 0, 0, 255)))])
        catalogue(self.folder / "deep" / "b.sh3f", [("Sofa", png((2, 0, 0, 255))), ("Oak chair", png((1, 0, 0, 255)))])
        self.assertEqual(self.labels(), ["chair", "couch"])

    def test_a_folder_without_such_furniture_is_refused_by_name(self):
        catalogue(self.folder / "a.sh3f", [("Fence", png((1, 0, 0, 255)))])
        with self.assertRaisesRegex(ValueError, str(self.folder)):
            renderings.read_catalogues(self.folder)

    def test_what_is_transparent_or_outside_is_white_and_the_rest_keeps_its_colour(self):
        picture = renderings.on_white(png((255, 0, 0, 255), (128, 64)))
        self.assertEqual(tuple(picture.shape), (3, 128, 128))
        self.assertEqual(picture[:, 64, 64].tolist(), [1, 0, 0])
        self.assertEqual(picture[:, 31, 64].tolist(), [1, 1, 1])
        self.assertEqual(picture[:, 96, 64].tolist(), [1, 1, 1])
        self.assertEqual(renderings.on_white(png((9, 9, 9, 0))).unique().tolist(), [1])

    def test_pictures_of_another_size_are_brought_to_128(self):
        for size in ((64, 64), (256, 200)):
            picture = renderings.on_white(png((0, 0, 255, 255), size))
            self.assertEqual(tuple(picture.shape), (3, 128, 128))
            self.assertEqual(picture[:, 64, 64].tolist(), [0, 0, 1])


class Scores(unittest.TestCase):
    def test_the_share_named_right_is_that_of_the_pictures_of_the_class_it_says(self):
        labels = torch.tensor([LABELS.index(name) for name in ("chair", "chair", "chair", "bed")])
        right, entropy = renderings.score(Always("chair"), Pictures(torch.rand(4, 3, 128, 128), labels), 32)
        self.assertEqual(right, 0.75)
        # At the best temperature the class it says has 3/4, the other nine share the rest.
        self.assertAlmostEqual(entropy, -(0.75 * np.log(0.75) + 0.25 * np.log(0.25 / 9)), places=4)

    def test_pictures_are_averaged_down_and_judged_mirrored_too(self):
        seen = []

        class Watch(Always):
            def forward(self, pixels: torch.Tensor) -> torch.Tensor:
                seen.append(pixels)
                return super().forward(pixels)

        stripes = (torch.arange(128) % 2).float().expand(1, 3, 128, 128)
        left = torch.cat([torch.zeros(1, 3, 128, 64), torch.ones(1, 3, 128, 64)], 3)
        for pixels, side in ((stripes, 32), (left, 128)):
            renderings.score(Watch("bed"), Pictures(pixels, torch.tensor([LABELS.index("bed")])), side)
        averaged, _, direct, mirrored = seen
        # Black and white lines of one pixel become grey.
        self.assertLess(float(averaged.amax((0, 2, 3)).sub(averaged.amin((0, 2, 3))).max()), 1e-5)
        torch.testing.assert_close(mirrored, direct.flip(3), rtol=0, atol=1e-4)
        self.assertGreater(float(direct[..., -1].mean()), float(direct[..., 0].mean()) + 1)


class Printing(unittest.TestCase):
    def test_runs_and_files_get_a_row_each_with_a_cell_for_every_size(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
            work = Path(folder)
            catalogue(work / "a.sh3f", [("Chair", png((1, 0, 0, 255))), ("Bed", png((2, 0, 0, 255)))])
            network = keras_weights.build(len(LABELS))
            with torch.no_grad():
                network.classifier[3].weight.zero_()
                network.classifier[3].bias.copy_(torch.eye(len(LABELS))[LABELS.index("bed")])
            train.write_weights(work, "sleepy", network.state_dict())
            names = ["sleepy", str(MODELS / "household-fp32.safetensors")]
            with mock.patch.object(sys, "argv", ["renderings.py", "--catalogues", folder, "--work", folder, *names]):
                renderings.main()
        heading, sizes, run, file = printed.getvalue().splitlines()
        self.assertTrue(heading.startswith("2 pictures"))
        self.assertEqual(sizes.split()[-4:], ["32", "48", "64", "128"])
        # Half are beds; the other nine classes share the other half.
        self.assertEqual(run.split(), ["sleepy", *["50.0", "%", "1.792"] * 4])
        self.assertEqual((file.split()[0], file.count("%")), ("household-fp32", 4))


class Files(unittest.TestCase):
    def write(self, path: Path, state: dict[str, torch.Tensor], dtype: str = "F32") -> None:
        header, body = {"__metadata__": {"format": "test"}}, b""
        for name, value in state.items():
            raw = value.numpy().astype("<f4").tobytes()
            header[name] = {
                "dtype": dtype,
                "shape": list(value.shape),
                "data_offsets": [len(body), len(body) + len(raw)],
            }
            body += raw
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + body)

    def test_a_files_network_computes_what_the_one_written_does(self):
        torch.manual_seed(3)
        network = keras_weights.build(len(LABELS)).eval()
        state = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
        state["features.0.1.running_mean"].uniform_(-1, 1)
        pixels = torch.randn(2, 3, 96, 96)
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            path = Path(folder) / "a.safetensors"
            self.write(path, state)
            torch.testing.assert_close(renderings.of_file(path)(pixels), network(pixels), rtol=1e-4, atol=1e-5)

    def test_the_shipped_float_file_can_be_read(self):
        self.assertEqual(
            renderings.of_file(MODELS / "household-fp32.safetensors").classifier[3].out_features, len(LABELS)
        )

    def test_a_file_of_other_types_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(ValueError, "a.safetensors.*F16"):
            path = Path(folder) / "a.safetensors"
            self.write(path, {"features.0.0.weight": torch.zeros(2)}, "F16")
            renderings.of_file(path)


if __name__ == "__main__":
    unittest.main()
