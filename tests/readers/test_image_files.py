"""Every kind of image file gives the pixels that were written into it."""

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from vitrail.errors import VitrailError
from vitrail.readers.format import ImageFormat
from vitrail.readers.image import open_image
from vitrail.readers.labels import LabelSource
from vitrail.readers.raster_file import open_raster

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 4000, (3, 210, 170), dtype=np.uint16)


def pixels(paths, form=None, z=None, rows=64, box=None):
    """The whole image, read in strips of `rows`."""
    paths = [str(path) for path in (paths if isinstance(paths, list) else [paths])]
    image = open_image(paths, form or ImageFormat(), z)
    x0, x1 = box or (0, image.shape[1])
    layers = []
    for layer in range(len(image.layers)):
        strips = [
            image.read(layer, y, min(y + rows, image.shape[0]), x0, x1)
            for y in range(0, image.shape[0], rows)
        ]
        image.release(layer)
        layers.append(np.concatenate(strips, axis=1))
    return np.concatenate(layers), image


TIFF_LAYOUTS = {
    "raw": {},
    "raw big endian": {"byteorder": ">"},
    "tiles": {"tile": (64, 32), "compression": "zlib"},
    "tiles with predictor": {"tile": (32, 32), "compression": "zlib", "predictor": True},
    "strips that cross": {"rowsperstrip": 25, "compression": "zlib"},
    "one-row strips": {"rowsperstrip": 1, "compression": "lzw"},
    "one strip a page": {"rowsperstrip": 210, "compression": "zlib"},
    "raw tiles": {"tile": (48, 48)},
    "big tiff": {"bigtiff": True, "compression": "zstd"},
}


@pytest.mark.parametrize("layout", TIFF_LAYOUTS)
@pytest.mark.parametrize("threads", [1, 3])
def test_tiff_of_every_layout(tmp_path, layout, threads):
    options = dict(TIFF_LAYOUTS[layout])
    file_options = {k: options.pop(k) for k in ("bigtiff", "byteorder") if k in options}
    with tifffile.TiffWriter(tmp_path / "a.tif", **file_options) as file:
        file.write(IMAGE, photometric="minisblack", metadata={"axes": "CYX"}, **options)
    image = open_image([str(tmp_path / "a.tif")], ImageFormat(), None, threads)
    for layer in range(3):
        got = np.concatenate(
            [image.read(layer, y, min(y + 64, 210), 0, 170) for y in range(0, 210, 64)], 1
        )
        assert np.array_equal(got[0], IMAGE[layer])
    assert image.dtype == np.uint16


def test_a_strip_that_spans_two_reads_is_decoded_once(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], rowsperstrip=210, compression="zlib")
    image = open_image([str(tmp_path / "a.tif")], ImageFormat(), None)
    page = image.layers[0].planes[0][0]._pages[0, 0]
    decoded = []
    page_decode = page._decode
    page._decode = lambda index: decoded.append(index) or page_decode(index)
    for y in range(0, 210, 30):
        image.read(0, y, y + 30, 0, 170)
    assert decoded == [0]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colours_of_a_tiff_are_channels(tmp_path, planar, compression):
    data = IMAGE if planar == "separate" else np.moveaxis(IMAGE, 0, -1)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        rowsperstrip=40,
    )
    got, image = pixels(tmp_path / "a.tif")
    assert np.array_equal(got, IMAGE)
    assert image.channels == ["red", "green", "blue"]


def test_one_name_for_three_colours_names_none_of_them(tmp_path):
    """Brightfield OME-TIFF has one channel of three samples."""
    metadata = {"axes": "YXS", "Channel": {"Name": ["Brightfield"]}}
    data = np.moveaxis(IMAGE, 0, -1)
    tifffile.imwrite(tmp_path / "a.ome.tif", data, photometric="rgb", metadata=metadata)
    got, image = pixels(tmp_path / "a.ome.tif")
    assert np.array_equal(got, IMAGE)
    assert image.channels == ["red", "green", "blue"]


def test_ome_tiff_says_channels_and_pixel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        IMAGE[:2],
        metadata={
            "axes": "CYX",
            "Channel": {"Name": ["DAPI", "polyT"]},
            "PhysicalSizeX": 325.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 325.0,
            "PhysicalSizeYUnit": "nm",
        },
    )
    got, image = pixels(tmp_path / "a.ome.tif")
    assert np.array_equal(got, IMAGE[:2])
    assert image.channels == ["DAPI", "polyT"]
    assert image.pixel_size == pytest.approx(0.325)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr(tmp_path, zarr_format):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format)
    array = group.create_array("0", shape=(1, 3, 1, 210, 170), chunks=(1, 1, 1, 64, 64), dtype="u2")
    array[0, :, 0] = IMAGE
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "tczyx"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 2.0, 0.25, 0.25]}
    multiscale = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    described = {
        "multiscales": [multiscale],
        "omero": {"channels": [{"label": name} for name in "abc"]},
    }
    group.attrs.update(described if zarr_format == 2 else {"ome": described})
    got, image = pixels(tmp_path / "a.zarr")
    assert np.array_equal(got, IMAGE)
    assert image.channels == ["a", "b", "c"]
    assert image.pixel_size == 0.25


def test_png_and_jpeg(tmp_path):
    grey = (IMAGE[0] >> 4).astype(np.uint8)
    rgba = np.stack([grey, grey // 2, grey // 3, np.full_like(grey, 255)], axis=-1)
    (tmp_path / "grey.png").write_bytes(imagecodecs.png_encode(grey))
    (tmp_path / "rgba.png").write_bytes(imagecodecs.png_encode(rgba))
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(IMAGE[0]))
    smooth = np.add.outer(np.arange(90), np.arange(120)).astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(smooth, level=98))
    assert np.array_equal(pixels(tmp_path / "grey.png")[0], grey[None])
    got, image = pixels(tmp_path / "rgba.png")
    assert image.channels == ["red", "green", "blue"]
    assert np.array_equal(got, np.moveaxis(rgba[..., :3], -1, 0))
    assert np.array_equal(pixels(tmp_path / "deep.png")[0], IMAGE[:1])
    got, image = pixels(tmp_path / "a.jpg")
    assert image.shape == (90, 120)
    assert np.abs(got[0].astype(int) - smooth).max() <= 2


def test_a_box_is_cut_from_the_rows(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], tile=(32, 32), compression="zlib")
    got, _ = pixels(tmp_path / "a.tif", box=(33, 120))
    assert np.array_equal(got[0], IMAGE[0][:, 33:120])


# Planes and several files


@pytest.fixture
def stack(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", IMAGE, photometric="minisblack")
    return tmp_path / "stack.tif"


def test_planes_and_projections(stack):
    form = ImageFormat(axes="ZYX")
    assert np.array_equal(pixels(stack, form, 2)[0], IMAGE[2:])
    assert np.array_equal(pixels(stack, form, "max")[0], IMAGE.max(axis=0)[None])
    mean = np.floor(IMAGE.astype(float).mean(axis=0) + 0.5).astype(np.uint16)
    assert np.array_equal(pixels(stack, form, "mean")[0][0], mean)


def test_files_are_channels_planes_or_as_described(tmp_path):
    files = []
    for i in range(3):
        files.append(tmp_path / f"{i}.tif")
        tifffile.imwrite(files[-1], IMAGE[i])
    got, image = pixels(files, ImageFormat(channels=("a", "b", "c")))
    assert image.channels == ["a", "b", "c"]
    assert np.array_equal(got, IMAGE)
    assert np.array_equal(pixels(files, ImageFormat(files="planes"), 1)[0], IMAGE[1:2])
    described = ({"channel": "b", "z": 1}, {"channel": "b", "z": 0}, {"channel": "a"})
    got, image = pixels(files[:2], ImageFormat(files=described[:2]), 0)
    assert image.channels == ["b"]
    assert np.array_equal(got, IMAGE[1:2])


@pytest.mark.parametrize(
    ("form", "z", "sentence"),
    [
        (
            ImageFormat(),
            None,
            "{}: does not say what its axis 'Q' of length 3 is, wanted its axes in image.axes of "
            "the format such as 'ZYX' or 'CYX'.",
        ),
        (
            ImageFormat(axes="ZYX"),
            None,
            "{}: has 3 planes, wanted the sheet's column z to name one of 0 to 2, or 'max' or "
            "'mean'.",
        ),
        (ImageFormat(axes="ZYX"), 3, "{}: has no plane 3, wanted one of 0 to 2."),
        (ImageFormat(axes="TYX"), None, "{}: holds 3 time points, wanted one."),
        (
            ImageFormat(axes="YX"),
            None,
            "{}: axes are 'YX' for an array of shape (3, 210, 170), wanted one letter an axis, Y "
            "and X among them (image.axes of the format).",
        ),
        (
            ImageFormat(axes="CYX", channels=("a", "b")),
            None,
            "{}: has 3 channels, the format's image.channels names 2.",
        ),
        (
            ImageFormat(axes="CYX", channels=("a", "b", "a")),
            None,
            "{}: the channel name 'a' occurs twice, wanted each once (the format's "
            "image.channels can name them).",
        ),
    ],
)
def test_what_the_file_does_not_say_is_asked_for(stack, form, z, sentence):
    with pytest.raises(VitrailError) as caught:
        open_image([str(stack)], form, z)
    assert str(caught.value) == sentence.format(stack)


def test_files_of_one_image_are_alike(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0])
    tifffile.imwrite(tmp_path / "b.tif", IMAGE[0, :100])
    with pytest.raises(VitrailError) as caught:
        pixels([tmp_path / "a.tif", tmp_path / "b.tif"])
    assert str(caught.value) == (
        f"{tmp_path}/b.tif: has 100 x 170 pixels of uint16, wanted 210 x 170 of uint16 as "
        f"{tmp_path}/a.tif has."
    )


# Damaged and unusable files


def test_a_tiff_that_ends_early_is_found_before_it_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0])
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:40_000])
    with pytest.raises(VitrailError) as caught:
        pixels(tmp_path / "a.tif")
    assert str(caught.value) == (
        f"{tmp_path}/a.tif: has 40000 bytes and refers to byte {len(whole)}; is it truncated or "
        "still being copied?"
    )


@pytest.mark.parametrize("layout", ["tiles", "one-row strips"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_tiff_of_any_layout_gives_one_sentence(tmp_path, layout, share):
    options = TIFF_LAYOUTS[layout]
    tifffile.imwrite(
        tmp_path / "a.tif", IMAGE, photometric="minisblack", metadata={"axes": "CYX"}, **options
    )
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VitrailError, match=r"is it truncated or still being copied\?$"):
        pixels(tmp_path / "a.tif")


def test_damaged_tiles_name_the_file_and_the_rows(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], tile=(64, 64), compression="zlib")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset = file.pages[0].dataoffsets[4]
    data[offset : offset + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(bytes(data))
    with pytest.raises(
        VitrailError, match=r"a\.tif: rows 64 to 128 cannot be decoded .* damaged\?$"
    ):
        pixels(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_truncated_pictures(tmp_path, name):
    grey = (IMAGE[0] >> 4).astype(np.uint8)
    encode = imagecodecs.png_encode if name == "a.png" else imagecodecs.jpeg8_encode
    whole = encode(grey)
    for length in (20, len(whole) // 2, len(whole) - 3):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(VitrailError, match=r"is not a complete (PNG|JPEG) .* being copied\?$"):
            pixels(tmp_path / name)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"not an image at all")
    with pytest.raises(VitrailError) as caught:
        pixels(tmp_path / "a.tif")
    assert str(caught.value) == (
        f"{tmp_path}/a.tif: is neither TIFF, PNG, JPEG nor an OME-Zarr folder (its first bytes "
        "are b'not an i'); is it truncated or still being copied?"
    )


@pytest.mark.parametrize("dtype", ["int16", "uint32", "complex64", "bool"])
def test_an_unsupported_dtype(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0].astype(dtype))
    with pytest.raises(VitrailError) as caught:
        pixels(tmp_path / "a.tif")
    assert str(caught.value) == (
        f"{tmp_path}/a.tif: pixels are {dtype}, wanted uint8, uint16 or floating point."
    )


def test_floats_keep_negative_values_and_lose_those_that_are_not_finite(tmp_path):
    data = IMAGE[0].astype(np.float64) - 100
    data[3, 4], data[200, 1], data[7, 7] = np.nan, np.inf, -5.5
    tifffile.imwrite(tmp_path / "a.tif", data)
    got, image = pixels(tmp_path / "a.tif")
    assert got.dtype == np.float32
    assert (got[0, 3, 4], got[0, 200, 1], got[0, 7, 7]) == (0, 0, -5.5)
    assert image.not_finite == 2


# Label images


def test_labels_become_int32(tmp_path):
    data = (IMAGE[0] % 50).astype(np.uint16)
    tifffile.imwrite(tmp_path / "l.tif", data)
    got = LabelSource(open_raster(str(tmp_path / "l.tif"), None), None).read(10, 90, 5, 60)
    assert got.dtype == np.int32
    assert np.array_equal(got, data[10:90, 5:60])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.ones((9, 9), np.float32), "labels are float32, wanted whole numbers (0 = background)."),
        (np.full((9, 9), -1, np.int32), "labels run from -1 to -1, wanted 0 to 2147483647."),
        (
            np.full((9, 9), 2**31, np.uint32),
            "labels run from 2147483648 to 2147483648, wanted 0 to 2147483647.",
        ),
    ],
)
def test_labels_that_are_none(tmp_path, data, sentence):
    tifffile.imwrite(tmp_path / "l.tif", data)
    with pytest.raises(VitrailError) as caught:
        LabelSource(open_raster(str(tmp_path / "l.tif"), None), None).read(0, 9, 0, 9)
    assert str(caught.value) == f"{tmp_path}/l.tif: {sentence}"
