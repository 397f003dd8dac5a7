"""Folders of PhenoCycler, CODEX and imaging mass cytometry, through the whole stage ingest."""

import numpy as np
import pytest
import tifffile
from ingest_files import run
from planted import Planted

from vitrail import readers
from vitrail.errors import VitrailError
from vitrail.readers.vendors.stains_reader import numbered

STAINS = ("DAPI", "CD3", "DAPI", "PanCK")
PLANTED = Planted(channels=STAINS)
IMAGE = PLANTED.stack[:, 0]


def ingest(tmp_path, folder, name, entry=None, **cells):
    config = {"phenocycler": {}, "imc": {"pixel_size": 1.0}}[name]
    formats = {"generic": {}, name: {"reader": name, **config, **(entry or {})}}
    row = {"folder": str(folder), "format": name, **cells}
    return run(tmp_path, row, readers.format_settings(formats, name))


def page_xml(biomarker, name):
    marker = f"<Biomarker>{biomarker}</Biomarker>" if biomarker else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?><PerkinElmer-QPI-ImageDescription>'
        f"<ImageType>FullResolution</ImageType>{marker}<Name>{name}</Name>"
        "</PerkinElmer-QPI-ImageDescription>"
    )


def write_qptiff(path, stains=STAINS, named=True):
    """Full resolution, thumbnail, a level of the pyramid: the scanner's order of pages."""
    options = {
        "photometric": "minisblack",
        "software": "PerkinElmer-QPI",
        "metadata": None,
        "tile": (64, 64),
        "compression": "lzw",
    }
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for index, stain in enumerate(stains):
            text = page_xml(stain if named else None, f"Filter {index}")
            resolution = (20_000, 20_000)
            file.write(
                IMAGE[index],
                description=text,
                resolution=resolution,
                resolutionunit="CENTIMETER",
                **options,
            )
        thumbnail = np.zeros((50, 60, 3), np.uint8)
        text = page_xml(None, "Thumbnail")
        file.write(thumbnail, description=text, **{**options, "photometric": "rgb", "tile": None})
        for index, stain in enumerate(stains):
            file.write(IMAGE[index, ::2, ::2], description=page_xml(stain, "x"), **options)


@pytest.mark.parametrize("named", [True, False])
def test_a_qptiff_names_its_stains_and_its_pixel_size(tmp_path, named):
    folder = tmp_path / "run"
    folder.mkdir()
    write_qptiff(folder / "Slide_Scan1.qptiff", named=named)
    slide = ingest(tmp_path, folder, "phenocycler")
    expected = ["DAPI", "CD3", "DAPI_2", "PanCK"] if named else [f"Filter {i}" for i in range(4)]
    assert slide.channels == expected
    assert slide.pixel_size == 0.5
    assert np.array_equal(slide.read(0, 0, *slide.shape), IMAGE)
    assert slide.info["elements"] == ["images/image"]


def test_an_ome_tiff_beside_other_images(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    channels = {"axes": "CYX", "Channel": {"Name": ["DAPI", "CD3", "CD8", "PanCK"]}}
    sizes = {"PhysicalSizeX": 0.377, "PhysicalSizeY": 0.377}
    for name in ("A", "B"):
        tifffile.imwrite(folder / f"{name}.ome.tiff", IMAGE, metadata={**channels, **sizes})
    slide = ingest(tmp_path, folder, "phenocycler")
    assert slide.channels == ["DAPI", "CD3", "CD8", "PanCK"]
    assert slide.pixel_size == 0.377
    assert [file["path"] for file in slide.info["files"]] == [f"{folder}/A.ome.tiff"]


def test_a_codex_stack_with_its_list_of_names(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    tifffile.imwrite(folder / "reg001.tif", IMAGE, metadata=None)
    (folder / "channelNames.txt").write_text("DAPI-01\nCD3\nblank\nblank\n")
    slide = ingest(tmp_path, folder, "phenocycler", pixel_size=0.377)
    assert slide.channels == ["DAPI-01", "CD3", "blank", "blank_2"]
    assert np.array_equal(slide.read(0, 0, *slide.shape), IMAGE)
    (folder / "channelNames.txt").write_text("DAPI\n")
    with pytest.raises(VitrailError, match=r"channelNames\.txt: names 1 stains, wanted 4 as"):
        ingest(tmp_path, folder, "phenocycler", pixel_size=0.377)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("channelNames.txt", b"CD3\nTNF\xb5\n", r"not text in UTF-8 \(byte 7 is 181\), wanted the"),
        ("markers.csv", b"cycle,marker_name\n", r"markers\.csv: names 0 stains, wanted 4 as"),
    ],
)
def test_lists_of_names_that_name_nothing(tmp_path, name, content, sentence):
    folder = tmp_path / "run"
    folder.mkdir()
    tifffile.imwrite(folder / "reg001.tif", IMAGE, metadata=None)
    (folder / name).write_bytes(content)
    with pytest.raises(VitrailError, match=sentence):
        ingest(tmp_path, folder, "phenocycler", pixel_size=0.377)


def test_an_imagej_stack_with_labels_and_unit(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    metadata = {"axes": "CYX", "unit": "um", "Labels": ["DAPI", "CD3", "CD8", "PanCK"]}
    path = folder / "reg001.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(1 / 0.25, 1 / 0.25), metadata=metadata)
    slide = ingest(tmp_path, folder, "phenocycler")
    assert slide.channels == ["DAPI", "CD3", "CD8", "PanCK"]
    assert slide.pixel_size == 0.25


def write_steinbock(folder):
    for name in ("img", "masks"):
        (folder / name).mkdir(parents=True)
    for sample in ("A", "B"):
        pixels = IMAGE.astype(np.float32) / (1 if sample == "A" else 2)
        tifffile.imwrite(folder / f"img/{sample}.tiff", pixels, imagej=True)
        tifffile.imwrite(folder / f"masks/{sample}.tiff", PLANTED.cells.astype(np.uint16))
    rows = ["channel,name,keep", "Ir191,DNA1,1", "In113,HistoneH3,1", "Er166,empty,0"]
    rows += ["Nd142,CD3,1", "Yb171,PanCK,1"]
    (folder / "panel.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_imaging_mass_cytometry_by_the_samples_name(tmp_path):
    folder = write_steinbock(tmp_path / "run")
    slide = ingest(tmp_path, folder, "imc", sample="B")
    assert slide.pixel_size == 1.0
    assert slide.channels == ["DNA1", "HistoneH3", "CD3", "PanCK"]
    assert np.array_equal(slide.read(0, 0, *slide.shape), IMAGE.astype(np.float32) / 2)
    assert np.array_equal(slide.labels("cells")[:], PLANTED.cells)
    anew = ingest(tmp_path, folder, "imc", {"cells": "none"}, sample="B")
    assert anew.info["elements"] == ["images/image"]


def test_a_stain_without_a_name_is_called_by_its_metal(tmp_path):
    folder = write_steinbock(tmp_path / "run")
    panel = (folder / "panel.csv").read_text()
    (folder / "panel.csv").write_text(panel.replace("HistoneH3", ""))
    slide = ingest(tmp_path, folder, "imc", sample="A")
    assert slide.channels == ["DNA1", "In113", "CD3", "PanCK"]
    (folder / "panel.csv").write_text("name,keep\nDNA1,1\nH3,0\n,1\nCD3,1\nPanCK,1\n")
    with pytest.raises(VitrailError, match=r"panel\.csv: column 'name' is empty for channel 1 of"):
        ingest(tmp_path, folder, "imc", sample="A")


def test_folders_without_the_one_image(tmp_path):
    folder = write_steinbock(tmp_path / "run")
    with pytest.raises(
        VitrailError, match=r"has 2 images \(A\.tiff, B\.tiff\), wanted one, or one"
    ):
        ingest(tmp_path, folder, "imc", sample="C")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VitrailError, match=r"has no RUN\.qptiff, wanted the image of phenocycler"):
        ingest(tmp_path, tmp_path / "empty", "phenocycler")
    (folder / "panel.csv").write_text("channel,target\nIr191,DNA1\n")
    with pytest.raises(VitrailError, match=r"panel\.csv: has no column name or marker_name or"):
        ingest(tmp_path, folder, "imc", sample="A")


def test_a_truncated_qptiff(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_qptiff(folder / "a.qptiff")
    content = (folder / "a.qptiff").read_bytes()
    (folder / "a.qptiff").write_bytes(content[: len(content) // 2])
    with pytest.raises(VitrailError, match=r"truncated or still being copied|damaged"):
        ingest(tmp_path, folder, "phenocycler")


def test_names_are_numbered_once_each():
    assert numbered(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]
    assert numbered(["a", "a", "a_2"]) == ["a", "a_3", "a_2"]
