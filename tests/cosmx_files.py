"""A planted slide as the folder of a CosMx slide: fields of view, in old and new exports."""

import gzip
import io
import json

import imagecodecs
import numpy as np
import pyarrow as pa
import tifffile
from pyarrow import csv

PIXEL_SIZE = 0.12028
FIELD = (95, 130)
# Number of the field at each (row, column) of the mosaic; the planted slide is 2 x 2 fields.
FIELDS = {(0, 0): 3, (0, 1): 1, (1, 0): 2, (1, 1): 12}
# Position on the slide of the lower left corner of the mosaic, in pixels; y runs upwards.
CORNER = (5000.25, -160233.4)
STAINS = ("Membrane", "DNA")


def local_cells(planted):
    """Each field's labels as the vendor numbers them (from 1), and global label to (field, n)."""
    fields, numbers = {}, {}
    for (i, j), field in FIELDS.items():
        height, width = FIELD
        part = planted.cells[i * height : (i + 1) * height, j * width : (j + 1) * width]
        found = [label for label in np.unique(part).tolist() if label]
        local = np.zeros_like(part)
        for n, label in enumerate(found, start=1):
            local[part == label] = n
            numbers[field, label] = n
        fields[field] = local
    return fields, numbers


def mosaic_labels(planted, per_field=100_000):
    fields, _ = local_cells(planted)
    rows = [
        np.hstack(
            [
                np.where(fields[f] > 0, fields[f] + f * per_field, 0)
                for f in (FIELDS[i, 0], FIELDS[i, 1])
            ]
        )
        for i in (0, 1)
    ]
    return np.vstack(rows)


def write_slide(folder, planted, *, new=True, flipped=True, unit="both"):
    """`new`: AtoMx export; `flipped`: y runs upwards; `unit` of the new positions."""
    folder.mkdir(parents=True, exist_ok=True)
    flat = folder / "flatFiles/S1" if new else folder
    flat.mkdir(parents=True, exist_ok=True)
    locals_, numbers = local_cells(planted)
    _write_positions(flat, new, flipped, unit)
    _write_transcripts(flat, planted, numbers, new, flipped)
    for (i, j), field in FIELDS.items():
        height, width = FIELD
        part = (slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
        _write_field(folder, planted.stack[(slice(None), 0, *part)], locals_[field], field, new)
    if new:
        _write_outlines(flat, planted, numbers, flipped)
    return folder


def _name(flat, new, kind, separator="_"):
    return flat / f"{'S1' if new else 'Lung12'}{separator}{kind}.csv{'.gz' if new else ''}"


def _write_csv(path, columns):
    text = io.BytesIO()
    csv.write_csv(pa.table(columns), text)
    content = text.getvalue()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def _corner(place, flipped):
    """Position of a field: its lower left corner where y runs upwards."""
    i, j = place
    down = (1 - i) if flipped else i
    return CORNER[0] + j * FIELD[1], CORNER[1] + down * FIELD[0]


def _write_positions(flat, new, flipped, unit):
    corners = {field: _corner(place, flipped) for place, field in FIELDS.items()}
    x, y = np.array(list(corners.values())).T
    columns = {"FOV" if new else "fov": list(corners)}
    if unit in ("both", "px") or not new:
        columns |= {"x_global_px": x, "y_global_px": y}
    if new and unit in ("both", "mm"):
        columns |= {"x_global_mm": x * PIXEL_SIZE / 1000, "y_global_mm": y * PIXEL_SIZE / 1000}
    _write_csv(_name(flat, new, "fov_positions_file"), columns)


def _local(xy, flipped):
    """Field, and local position as the vendor has it: pixel centres are whole numbers."""
    height, width = FIELD
    j, i = np.minimum(xy // (width, height), 1).astype(int).T
    field = np.array([FIELDS[place] for place in zip(i.tolist(), j.tolist(), strict=True)])
    x = xy[:, 0] - j * width - 0.5
    y = xy[:, 1] - i * height - 0.5
    return field, x, height - (y + 1) + 1 if flipped else y


def _write_transcripts(flat, planted, numbers, new, flipped):
    field, x, y = _local(planted.xy, flipped)
    cell = [
        numbers[f, label] if label else 0
        for f, label in zip(field.tolist(), planted.owner.tolist(), strict=True)
    ]
    columns = {"fov": field, "cell_ID": cell}
    if new:
        columns["cell"] = [f"c_1_{f}_{n}" for f, n in zip(field.tolist(), cell, strict=True)]
    columns |= {"x_local_px": x, "y_local_px": y, "x_global_px": x, "y_global_px": y}
    columns |= {"z": planted.z, "target": planted.gene, "CellComp": ["Nuclear"] * len(cell)}
    _write_csv(_name(flat, new, "tx_file"), columns)


def _write_outlines(flat, planted, numbers, flipped):
    rows = []
    for field, label in numbers:
        if sum(found == label for _, found in numbers) == 1:
            place, x, y = _local(planted.outline(label), flipped)
            assert (place == field).all()
            rows += [(field, numbers[field, label], *xy) for xy in zip(x, y, strict=True)]
    fov, cell, x, y = zip(*rows, strict=True)
    _write_csv(
        _name(flat, True, "polygons", "-"),
        {"fov": fov, "cellID": cell, "x_local_px": x, "y_local_px": y},
    )


def _write_field(folder, pixels, labels, field, new):
    if new:
        morphology = folder / "CellStatsDir/Morphology2D"
        morphology.mkdir(parents=True, exist_ok=True)
        reagents = [
            {"BiologicalTarget": name, "Fluorophore": {"ChannelId": letter}}
            for name, letter in zip(STAINS, "BU", strict=True)
        ]
        text = json.dumps({"MorphologyKit": reagents, "ChannelOrder": "UB"})
        with tifffile.TiffWriter(morphology / f"2024_S1_C902_F{field:05}.TIF") as file:
            for page in pixels:
                file.write(page, description=text, contiguous=False, metadata=None)
        place = folder / f"CellStatsDir/FOV{field:05}"
        name = f"CellLabels_F{field:05}.tif"
    else:
        composite = folder / "CellComposite"
        composite.mkdir(exist_ok=True)
        # The composite is a picture in colours; PNG here, so that its pixels are known.
        colours = np.stack([pixels[1] // 32, pixels[1] * 0, pixels[0] // 32], axis=-1)
        coded = imagecodecs.png_encode(colours.astype(np.uint8))
        (composite / f"CellComposite_F{field:03}.png").write_bytes(coded)
        place, name = folder / "CellLabels", f"CellLabels_F{field:03}.tif"
    place.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(place / name, labels.astype(np.uint16))
