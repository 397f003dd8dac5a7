"""Stage topography as its script runs it, and what comes of it in the sample's AnnData."""

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import yaml
from nests import CENTRE, RADIUS, depth, nest
from statistics_files import run_stage, write_annotated

from vitrail.assemble import write_anndata
from vitrail.io.geoparquet import write_geoparquet
from vitrail.io.topography import SCHEMA, read_outlines

CONFIG = Path(__file__).parent.parent / "config" / "config.yaml"
EXCLUDED = {(-300, 0): 20, (0, 60): 3000, (60, 600): 300}
DISC = shapely.Point(*CENTRE).buffer(RADIUS, quad_segs=64)


def settings(**changes):
    section = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["topography"]
    chosen = {"tumour_types": ["tumour"], "target_types": ["CD8"], "margin_um": 60}
    return {**section, **chosen, **changes}


def run(folder, types=None, **changes):
    """Run the stage on a tissue whose immune cells are kept out of the tumour."""
    xy, planted = nest(EXCLUDED)
    folder.mkdir(exist_ok=True)
    cells = folder / "annotated.h5ad"
    write_annotated(cells, xy, planted if types is None else types)
    outputs = {"topography": folder / "topography.parquet", "cells": folder / "topography.npz"}
    run_stage("topography", {"cells": cells}, outputs, settings(**changes))
    return cells, outputs["topography"], outputs["cells"]


def test_stage_and_anndata(tmp_path):
    cells, table, values = run(tmp_path)
    rows = pq.read_table(table)
    assert rows.schema.equals(SCHEMA)
    assert json.loads(rows.schema.metadata[b"vitrail"])["stage"] == "topography"
    row = rows.to_pylist()[0]
    assert (row["cell_type"], row["phenotype"]) == ("CD8", "excluded")

    write_anndata(
        tmp_path / "S.h5ad", cells, topography=table, borders=values,
        provenance={"vitrail": "0", "stage": "assemble", "settings": {}},
    )  # fmt: skip
    adata = ad.read_h5ad(tmp_path / "S.h5ad")
    assert adata.obs["compartment"].cat.categories.tolist() == ["centre", "margin", "stroma"]
    distance = adata.obs["border_distance_um"].to_numpy()
    assert np.corrcoef(distance, depth(adata.obsm["spatial"]))[0, 1] > 0.999
    assert adata.uns["topography"].loc["CD8", "phenotype"] == "excluded"
    assert adata.uns["topography"].loc["CD8", "ratio"] == row["ratio"]
    profile = adata.uns["topography_profile"]
    assert profile["cell_types"].tolist() == ["CD8"]
    assert profile["density"].shape == (1, len(row["profile_from_um"]))


def test_same_bytes_each_time(tmp_path):
    first, second = run(tmp_path / "a"), run(tmp_path / "b")
    for one, other in zip(first[1:], second[1:], strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_off_is_a_valid_empty_result(tmp_path):
    _, table, values = run(tmp_path, tumour_types=[])
    rows = pq.read_table(table)
    assert rows.num_rows == 0
    assert rows.schema.equals(SCHEMA)
    assert (np.load(values)["compartment"] == -1).all()


def test_sample_without_types(tmp_path):
    _, table, _ = run(tmp_path, types=[None] * len(nest(EXCLUDED)[0]))
    row = pq.read_table(table).to_pylist()[0]
    assert row["phenotype"] is None
    assert row["note"] == "no tumour region was found"


@pytest.mark.parametrize("form", ["geojson", "feature", "list", "parquet"])
def test_outlines_from_files(tmp_path, form):
    # Drawn in pixels of half a micrometre.
    pixels = shapely.transform(DISC, lambda xy: xy * 2)
    shape = json.loads(shapely.to_geojson(pixels))
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    path = tmp_path / ("outlines.parquet" if form == "parquet" else "outlines.geojson")
    if form == "parquet":
        write_geoparquet(path, {}, np.array([pixels], dtype=object), {})
    else:
        content = {"geojson": {"type": "FeatureCollection", "features": [feature]},
                   "feature": feature, "list": [feature]}[form]  # fmt: skip
        path.write_text(json.dumps(content))
    assert shapely.equals_exact(read_outlines(path, 0.5)[0], DISC, 1e-9)
    _, table, values = run(tmp_path / "run", outlines=str(path), outlines_scale=0.5)
    assert pq.read_table(table).to_pylist()[0]["phenotype"] == "excluded"
    distance = np.load(values)["distance"]
    assert np.allclose(distance, depth(nest(EXCLUDED)[0]), atol=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "found no outlines in it"),
        ("[]", "has no polygon"),
        ('{"type": "Point", "coordinates": [0, 0]}', "has no polygon"),
        (
            '{"type": "Polygon", "coordinates": [[[0,0],[9,9],[9,0],[0,9],[0,0]]]}',
            "polygon 1 is not valid: Self-intersection",
        ),
        ("not json", "found no outlines in it"),
    ],
)
def test_bad_outlines_stop_with_one_sentence(tmp_path, capsys, caplog, text, message):
    path = tmp_path / "bad.geojson"
    path.write_text(text)
    with pytest.raises(SystemExit):
        run(tmp_path, outlines=str(path))
    assert message in caplog.text
    assert not (tmp_path / "topography.parquet").exists()
