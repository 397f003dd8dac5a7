import hashlib
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrail.io.points import PointsWriter, begin_points, part_paths, write_part

SCHEMA = pa.schema(
    [
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("gene", pa.dictionary(pa.int32(), pa.string())),
        ("transcript", pa.int64()),
    ]
)


def rows(start, stop, genes):
    n = stop - start
    codes = pa.array(np.arange(start, stop) % len(genes), pa.int32())
    return pa.table(
        {
            "x": np.arange(start, stop, dtype=np.float64),
            "y": np.zeros(n),
            "gene": pa.DictionaryArray.from_arrays(codes, pa.array(genes)),
            "transcript": np.arange(start, stop),
        },
        schema=SCHEMA,
    )


def write(element, steps, rows_per_part=100):
    # As a stream does it: the dictionary grows, and codes keep their meaning.
    with PointsWriter(element, SCHEMA, rows_per_part=rows_per_part) as writer:
        for i, (start, stop) in enumerate(itertools.pairwise(steps)):
            dictionary = pa.array([f"g{k}" for k in range(7 + (300 if i else 0))])
            codes = pa.array(np.arange(start, stop) % 7, pa.int32())
            table = rows(start, stop, ["g"]).set_column(
                2, SCHEMA.field("gene"), pa.DictionaryArray.from_arrays(codes, dictionary)
            )
            writer.write(table)
    assert writer.rows == steps[-1]
    return part_paths(element)


@pytest.mark.parametrize("steps", [[0, 1050], [0, 10, 11, 555, 1050], list(range(0, 1051, 50))])
def test_parts_have_equal_lengths_and_hold_all_rows_in_order(tmp_path, steps):
    parts = write(tmp_path / "t", steps)
    tables = [pq.read_table(part) for part in parts]
    assert [path.name for path in parts] == [f"part.{i}.parquet" for i in range(11)]
    assert [table.num_rows for table in tables] == [100] * 10 + [50]
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    assert table["transcript"].to_pylist() == list(range(1050))
    assert table["gene"].to_pylist() == [f"g{i % 7}" for i in range(1050)]


def test_the_same_rows_give_the_same_bits(tmp_path):
    digests = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in write(tmp_path / name, steps)]
        for name, steps in (("a", [0, 500, 1050]), ("b", [0, 500, 1050]))
    ]
    assert digests[0] == digests[1]


def test_no_rows_make_one_empty_part_with_the_columns(tmp_path):
    with PointsWriter(tmp_path / "t", SCHEMA):
        pass
    (part,) = part_paths(tmp_path / "t")
    table = pq.read_table(part)
    assert table.num_rows == 0
    assert table.schema.names == SCHEMA.names


def test_spatialdata_reads_many_parts_and_writes_them_again(tmp_path):
    import spatialdata

    from vitrail.io.spatialdata_store import new_store

    with new_store(tmp_path / "s.zarr") as store:
        begin_points(store / "points" / "transcripts", instance_key="cell")
        for part in range(11):
            # Each part has genes of its own, more in all than an int8 can count.
            genes = [f"g{part}_{i}" for i in range(30)]
            write_part(
                store / "points" / "transcripts", part, rows(30 * part, 30 * part + 30, genes)
            )
    points = spatialdata.read_zarr(tmp_path / "s.zarr").points["transcripts"]
    assert points.attrs["spatialdata_attrs"] == {"feature_key": "gene", "instance_key": "cell"}
    frame = points.compute()
    assert frame["transcript"].tolist() == list(range(330))
    assert frame["gene"].tolist() == [f"g{i // 30}_{i % 30}" for i in range(330)]
    spatialdata.read_zarr(tmp_path / "s.zarr").write(tmp_path / "again.zarr")
    again = spatialdata.read_zarr(tmp_path / "again.zarr").points["transcripts"].compute()
    assert again["gene"].tolist() == frame["gene"].tolist()
