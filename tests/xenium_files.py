"""A planted slide as the folder of a Xenium run, in the layouts of analysis 1.0 to 4.0."""

import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
import zarr
from planted import ome_xml
from pyarrow import csv
from zarr.storage import ZipStore

PIXEL_SIZE = 0.2125
STAINS = ("DAPI", "ATP1A1/CD45/E-Cadherin", "18S", "AlphaSMA/Vimentin")


def cell_name(label, version):
    """The vendor's name of a cell: a number, and from 1.3 on letters for hexadecimal digits."""
    if version < (1, 3):
        return label
    digits = f"{label * 7919:08x}".translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
    return f"{digits}-1"


def write_run(folder, planted, version=(2, 0), *, stains=True, label_id=True, table="parquet"):
    """Write the run; `stains`: with the segmentation kit's four images (from 2.0 on)."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "major_version": 5,
        "minor_version": 0,
        "run_name": "planted",
        "num_cells": len(planted.boxes),
        "num_transcripts": len(planted.xy),
        "pixel_size": PIXEL_SIZE,
        "z_step_size": 3.0,
        "analysis_sw_version": f"xenium-{version[0]}.{version[1]}.0.1",
        "images": {"morphology_filepath": "morphology.ome.tif"},
    }
    (folder / "experiment.xenium").write_text(json.dumps(document))
    _write_images(folder, planted, version, stains)
    _write_table(folder / "transcripts", _transcripts(planted, version), table)
    for kind, nucleus in (("cell", False), ("nucleus", True)):
        boundaries = _boundaries(planted, version, nucleus, label_id and version >= (2, 0))
        _write_table(folder / f"{kind}_boundaries", boundaries, table)
    _write_cells(folder / "cells.zarr.zip", planted, version)
    return folder


def _write_tiff(path, pages, description, channels=None):
    """Tiles of JPEG 2000 without loss and a pyramid in SubIFDs, as the instrument's files have."""
    metadata = {"axes": "CYX" if channels else "ZYX", "PhysicalSizeX": PIXEL_SIZE}
    metadata |= {"PhysicalSizeY": PIXEL_SIZE, "Channel": {"Name": channels or ["DAPI"]}}
    layout = {"tile": (64, 64), "compression": "jpeg2000", "photometric": "minisblack"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=description is None) as file:
        described = {"metadata": metadata} if description is None else {"metadata": None}
        if description is not None:
            described["description"] = description.encode()
        file.write(pages, subifds=1, **layout, **described)
        file.write(pages[:, ::2, ::2], subfiletype=1, metadata=None, **layout)


def _write_images(folder, planted, version, stains):
    stack = planted.stack
    _write_tiff(folder / "morphology.ome.tif", stack[0], None)
    focus = stack.max(axis=1)
    if version < (2, 0):
        _write_tiff(folder / "morphology_focus.ome.tif", focus[:1], None)
        _write_tiff(folder / "morphology_mip.ome.tif", stack[0].max(axis=0)[None], None)
        return
    (folder / "morphology_focus").mkdir(exist_ok=True)
    count = 4 if stains else 1
    files = [f"morphology_focus_{i:04}.ome.tif" for i in range(count)]
    if version >= (4, 0):
        files = [f"ch{i:04}_{n}.ome.tif" for i, n in enumerate(("dapi", "bound", "rna", "prot"))]
    # The first 2.0 files do not name their channels.
    names = STAINS[:count] if version > (2, 0) else [None] * count
    xml = ome_xml(files[:count], names, 1, planted.shape, "uint16", PIXEL_SIZE)
    for index, file in enumerate(files[:count]):
        page = focus[index % 2][None] + np.uint16(index)
        _write_tiff(folder / "morphology_focus" / file, page, xml)


def _transcripts(planted, version):
    owner = [cell_name(label, version) if label else None for label in planted.owner.tolist()]
    columns = {"transcript_id": np.arange(len(owner), dtype=np.uint64) + 281474976710656}
    if version < (1, 3):
        columns["cell_id"] = pa.array([-1 if o is None else o for o in owner], pa.int32())
    else:
        names = [o or "UNASSIGNED" for o in owner]
        columns["cell_id"] = pa.array(names, pa.string() if version >= (2, 0) else pa.binary())
    column, row = np.floor(planted.xy).astype(int).T
    columns["overlaps_nucleus"] = (planted.nuclei[row, column] > 0).astype(np.uint8)
    gene = planted.gene.tolist()
    columns["feature_name"] = pa.array(gene, pa.string() if version >= (2, 0) else pa.binary())
    xy = planted.xy * PIXEL_SIZE
    columns["x_location"], columns["y_location"] = (xy[:, i].astype(np.float32) for i in (0, 1))
    columns["z_location"] = (planted.z * 3.0).astype(np.float32)
    columns["qv"] = planted.quality
    if version >= (3, 0):
        columns["is_gene"] = np.array([g in ("Actb", "Gapdh", "Cd3e", "Epcam") for g in gene])
    return pa.table(columns)


def _boundaries(planted, version, nucleus, label_id):
    cell, label, corners = [], [], []
    for number in planted.labels:
        outline = planted.outline(number, nucleus, centres=True) * PIXEL_SIZE
        closed = [*outline.tolist(), outline[0].tolist()]
        cell += [cell_name(number, version)] * len(closed)
        label += [number] * len(closed)
        corners += closed
    xy = np.array(corners, dtype=np.float32)
    columns = {"cell_id": pa.array(cell), "vertex_x": xy[:, 0], "vertex_y": xy[:, 1]}
    if label_id:
        columns["label_id"] = np.array(label, dtype=np.int32)
    return pa.table(columns)


def _write_table(path, table, kind):
    if kind == "parquet":
        pq.write_table(table, f"{path}.parquet")
        return
    text = io.BytesIO()
    texts = [
        table[n].cast(pa.string()) if pa.types.is_binary(table[n].type) else table[n]
        for n in table.column_names
    ]
    csv.write_csv(pa.table(texts, names=table.column_names), text)
    with gzip.open(f"{path}.csv.gz", "wb") as file:
        file.write(text.getvalue())


def _write_cells(path, planted, version):
    count = len(planted.boxes)
    with ZipStore(path, mode="w") as store:
        group = zarr.create_group(store, zarr_format=2)
        masks = group.create_group("masks")
        masks.create_array("0", data=planted.nuclei.astype(np.uint32), chunks=(64, 64))
        masks.create_array("1", data=planted.cells.astype(np.uint32), chunks=(64, 64))
        transform = np.diag([1 / PIXEL_SIZE, 1 / PIXEL_SIZE, 1.0, 1.0]).astype(np.float32)
        masks.create_array("homogeneous_transform", data=transform)
        labels = np.arange(1, count + 1, dtype=np.uint32)
        if version < (1, 3):
            group.create_array("cell_id", data=labels)
            return
        ids = np.stack([labels * 7919, np.ones(count, np.uint32)], axis=1).astype(np.uint32)
        group.create_array("cell_id", data=ids)
        if version < (2, 0):
            group.create_array("seg_mask_value", data=labels)
            return
        for kind in ("0", "1"):
            index = group.create_group(f"polygon_sets/{kind}")
            index.create_array("cell_index", data=labels - 1)
