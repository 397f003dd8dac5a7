"""Reading the segmentation's tables."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrail.errors import VitrailError
from vitrail.io.cell_table import read_cell_table, read_nucleus_owner


def test_segmentation_tables_are_read(tmp_path):
    table = {
        "cell": pa.array([1, 2], pa.int32()),
        "centroid_x": [1.0, 2.0],
        "centroid_y": [3.0, 4.0],
        "score": pa.array([0.5, 1.0], pa.float32()),
        "seam": [True, False],
        "source": pa.array(["c7", None]),
    }
    pq.write_table(pa.table(table), tmp_path / "cells.parquet")
    cells = read_cell_table(tmp_path / "cells.parquet")
    assert cells.centroid.tolist() == [[1, 3], [2, 4]]
    assert cells.source == ["c7", None]
    assert cells.seam.tolist() == [True, False]
    nuclei = pa.table({"nucleus": pa.array([1, 2, 3], pa.int32()), "cell": [2, 0, 1]})
    pq.write_table(nuclei, tmp_path / "nuclei.parquet")
    assert read_nucleus_owner(tmp_path / "nuclei.parquet").tolist() == [0, 2, 0, 1]


def test_labels_out_of_order_are_refused(tmp_path):
    pq.write_table(pa.table({"nucleus": [2, 1], "cell": [0, 0]}), tmp_path / "n.parquet")
    with pytest.raises(VitrailError, match="row 0 has nucleus 2, wanted 1"):
        read_nucleus_owner(tmp_path / "n.parquet")
