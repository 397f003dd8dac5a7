import hashlib

import numpy as np
import pytest
import torch
from test_segment import PIXEL, noisy_tissue, slide_of
from tissue import painted

from vitrail.errors import VitrailError
from vitrail.segment import segment
from vitrail.segmentation import check, load, score, weight_files
from vitrail.segmentation.contract import Context
from vitrail.stitch import stitch
from vitrail.tile import divide


class Bright(torch.nn.Module):
    """Stands for a module of InstanSeg: labels of connected bright pixels, nuclei then cells.

    Labels are spread by repeated maxima, so that TorchScript can hold it.
    """

    pixel_size: float
    cells_and_nuclei: bool

    def __init__(self, pixel_size: float, both: bool):
        super().__init__()
        self.pixel_size = pixel_size
        self.cells_and_nuclei = both

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2], x.shape[3]
        number = torch.arange(1, height * width + 1, dtype=torch.float32).reshape(
            1, 1, height, width
        )
        outputs = []
        for channel in range(x.shape[1] if self.cells_and_nuclei else 1):
            inside = (x[:, channel : channel + 1] > 0.5).float()
            labels = number * inside
            for _ in range(48):
                labels = torch.nn.functional.max_pool2d(labels, 3, 1, 1) * inside
            outputs.append(labels)
        return torch.cat(outputs, 1)


def module(folder, pixel_size=0.5, both=True):
    path = folder / "instanseg.pt"
    torch.jit.script(Bright(pixel_size, both)).save(path)
    return str(path)


def clean_tissue():
    _, cells, nuclei = noisy_tissue(seed=31)
    apart = np.where(np.isin(cells, np.unique(cells)[::2]), cells, 0)
    inner = np.where(apart > 0, nuclei, 0)
    return np.stack([inner > 0, apart > 0]).astype(np.uint16) * 1000, apart, inner


@pytest.mark.parametrize("pixel_size", [0.5, 0.25, 0.8])
def test_a_module_runs_behind_the_contract(tmp_path, pixel_size):
    image, cells, nuclei = clean_tissue()
    settings = {"segmenter": "instanseg", "instanseg": {"weights": module(tmp_path, pixel_size)}}
    slide = slide_of(image)
    found = []
    for size in (1000, 208):
        tiles, normalization = divide(slide, size_px=size)
        found.append(stitch([segment(slide, tiles, normalization, 0, settings)], tiles))
    for result in found:
        assert score([cells], [painted(result.cells, cells.shape)], (0.7,)).f1[0] > 0.99
        assert score([nuclei], [painted(result.nuclei, cells.shape)], (0.5,)).f1[0] > 0.99
    one, many = (painted(result.cells, cells.shape) for result in found)
    assert score([one], [many], (0.95,)).f1[0] > 0.995


def test_a_module_with_one_output_gives_cells_and_takes_any_channels(tmp_path):
    image, cells, _ = clean_tissue()
    segmenter = load(module(tmp_path, both=False), channels=[1])
    five = np.concatenate([image, image[:1], image[:1], image[:1]])
    labels = segmenter.segment(five, pixel_size=PIXEL)
    assert score([cells], [labels], (0.7,)).f1[0] > 0.99
    all_channels = load(module(tmp_path, both=True))
    window = all_channels.segment_window(five.astype(np.float32) / 1000, Context(PIXEL, {}))
    assert window.nuclei.max() > 0


def test_the_file_must_have_the_hash_that_was_given(tmp_path):
    path = module(tmp_path)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    check({"segmenter": "instanseg", "instanseg": {"weights": path, "sha256": digest}})
    with pytest.raises(VitrailError, match=r"instanseg\.pt hashes to .*, but segment\.inst"):
        check({"segmenter": "instanseg", "instanseg": {"weights": path, "sha256": "0" * 64}})


def test_a_name_is_looked_for_where_the_package_downloads_to(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTANSEG_BIOIMAGEIO_PATH", str(tmp_path))
    settings = {"segmenter": "instanseg", "instanseg": {"weights": "fluorescence_nuclei_and_cells"}}
    with pytest.raises(
        VitrailError,
        match=r"^segment\.instanseg\.weights is 'fluorescence_nuclei_and_cells', w",
    ):
        check(settings)
    for version in ("0.1.9", "0.1.10"):
        folder = tmp_path / "fluorescence_nuclei_and_cells" / version
        folder.mkdir(parents=True)
        module(folder)
    check(settings)
    newest = tmp_path / "fluorescence_nuclei_and_cells" / "0.1.10" / "instanseg.pt"
    assert weight_files(settings) == [str(newest)]


def test_a_state_dict_is_no_module(tmp_path):
    path = tmp_path / "state.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(VitrailError, match=r"state\.pt is no TorchScript module; wanted"):
        load("instanseg", weights=str(path))


def test_a_module_without_a_pixel_size_wants_one(tmp_path):
    path = tmp_path / "plain.pt"
    torch.jit.script(torch.nn.Identity()).save(path)
    with pytest.raises(VitrailError, match=r"wanted: segment\.instanseg\.pixel_size_um$"):
        load(str(path))
