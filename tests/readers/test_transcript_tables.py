import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrail.errors import VitrailError
from vitrail.readers import delimited
from vitrail.readers.format import transcript_format
from vitrail.readers.placement import Frame
from vitrail.readers.transcripts import TranscriptCount, TranscriptSource

COLUMNS = {"x": "x", "y": "y", "gene": "gene", "z": "z", "quality": "qv", "cell": "cell"}
FORM = transcript_format({"transcripts": {"columns": COLUMNS}})
UNIT = Frame(1.0)
ROWS = {
    "x": [1.0, 2.5, float("nan"), 4.0, 5.0],
    "y": [10.0, 20.0, 30.0, 40.0, 50.0],
    "z": [0.0, 1.0, 2.0, 3.0, 4.0],
    "gene": ["B", "A", "Blank-1", "A", "Ünï"],
    "qv": [20.0, 40.0, 10.0, 5.5, 33.25],
    "cell": ["c1", "UNASSIGNED", "-1", "0", "c2"],
}


def as_csv(rows, delimiter=","):
    lines = [delimiter.join(rows)]
    lines += [delimiter.join(str(v) for v in line) for line in zip(*rows.values(), strict=True)]
    return "\n".join(lines) + "\n"


def write(path, rows, kind):
    if kind == "parquet":
        pq.write_table(pa.table(rows), path)
    elif kind == "parquet, dictionary and binary":
        table = pa.table(rows)
        gene = table["gene"].cast(pa.binary())
        cell = table["cell"].dictionary_encode()
        table = table.set_column(3, "gene", gene).set_column(5, "cell", cell)
        pq.write_table(table, path, row_group_size=2)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(as_csv(rows).encode()))
    elif kind == "semicolons":
        path.write_text(as_csv(rows, ";"))
    elif kind == "windows":
        path.write_bytes(b"\xef\xbb\xbf" + as_csv(rows).replace("\n", "\r\n").encode())
    else:
        path.write_text(as_csv(rows))
    return str(path)


def read(path, form=FORM, frame=UNIT, region=None):
    count = TranscriptCount()
    tables = list(TranscriptSource(path, form).read(frame, region, count))
    return pa.concat_tables(tables, promote_options="none").unify_dictionaries(), count


KINDS = ["csv", "csv.gz", "semicolons", "windows", "parquet", "parquet, dictionary and binary"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_formats_give_the_same_rows(tmp_path, kind):
    # The name says nothing: formats are told apart by content.
    table, count = read(write(tmp_path / "transcripts", ROWS, kind))
    assert table.schema.names == ["x", "y", "z", "gene", "transcript", "quality", "source_cell"]
    assert [str(t) for t in table.schema.types] == [
        "double",
        "double",
        "float",
        "dictionary<values=string, indices=int32, ordered=0>",
        "int64",
        "float",
        "string",
    ]
    assert np.array_equal(table["x"].to_numpy(), ROWS["x"], equal_nan=True)
    assert table["y"].to_pylist() == ROWS["y"]
    assert table["gene"].to_pylist() == ROWS["gene"]
    assert table["quality"].to_pylist() == ROWS["qv"]
    assert table["source_cell"].to_pylist() == ["c1", None, None, None, "c2"]
    assert table["transcript"].to_pylist() == [0, 1, 2, 3, 4]
    assert (count.rows_in_file, count.outside_region, count.rows) == (5, 0, 5)
    assert list(count.genes) == ["B", "A", "Blank-1", "Ünï"]
    # The row without an x does not count for the extent.
    assert (count.low.tolist(), count.high.tolist()) == ([1, 10], [5, 50])


def test_many_batches_number_genes_and_rows_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BATCH_ROWS", 7)
    genes = [f"g{(i * 7) % 13}" for i in range(100)]
    rows = {"x": np.arange(100.0), "y": np.zeros(100), "gene": genes}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet", row_group_size=30)
    form = transcript_format({})
    table, count = read(str(tmp_path / "t.parquet"), form)
    assert table["gene"].to_pylist() == genes
    assert table["transcript"].to_pylist() == list(range(100))
    assert list(count.genes) == list(dict.fromkeys(genes))


def test_a_region_is_half_open_and_keeps_rows_without_a_position(tmp_path):
    path = write(tmp_path / "t.csv", ROWS, "csv")
    table, count = read(path, region=(1.0, 10.0, 4.0, 40.0))
    assert table["transcript"].to_pylist() == [0, 1, 2]
    assert (count.rows_in_file, count.outside_region, count.rows) == (5, 2, 3)
    assert list(count.genes) == ["B", "A", "Blank-1", "Ünï"]


def test_whole_number_cells_with_gaps_lose_their_point(tmp_path):
    cells = [12.0, None, 0.0, 3.0, 4.0]
    pq.write_table(pa.table({**ROWS, "cell": cells}), tmp_path / "t.parquet")
    table, _ = read(str(tmp_path / "t.parquet"))
    assert table["source_cell"].to_pylist() == ["12", None, None, "3", "4"]


def test_a_folder_of_parts_is_read_in_the_order_of_their_numbers(tmp_path):
    for part in range(11):
        one = {"x": [float(part)], "y": [0.0], "gene": ["A"]}
        pq.write_table(pa.table(one), tmp_path / f"part.{part}.parquet")
    table, _ = read(str(tmp_path), transcript_format({}))
    assert table["x"].to_pylist() == list(range(11))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_rows_is_valid(tmp_path, kind):
    empty = {
        name: pa.array([], pa.string() if name in ("gene", "cell") else pa.float64())
        for name in ROWS
    }
    if kind == "csv":
        (tmp_path / "t").write_text(",".join(ROWS) + "\n")
    else:
        pq.write_table(pa.table(empty), tmp_path / "t")
    count = TranscriptCount()
    tables = list(TranscriptSource(str(tmp_path / "t"), FORM).read(Frame(1.0), None, count))
    assert sum(table.num_rows for table in tables) == 0
    assert (count.rows_in_file, count.rows) == (0, 0)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_a_missing_column_names_those_that_are_there(tmp_path, kind):
    path = write(tmp_path / "t", {"x": [1.0], "y": [1.0], "target": ["A"]}, kind)
    with pytest.raises(VitrailError) as caught:
        TranscriptSource(path, transcript_format({}))
    assert str(caught.value) == (
        f"{path}: has no column 'gene' (found x, y, target), wanted the gene of "
        "transcripts.columns."
    )
    form = transcript_format({"transcripts": {"columns": {"gene": "target", "x": "X"}}})
    with pytest.raises(VitrailError) as caught:
        TranscriptSource(path, form)
    assert str(caught.value) == (
        f"{path}: has no column 'X' (found x, y, target), wanted the x of transcripts.columns."
    )


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "semicolons", "parquet"])
def test_positions_that_are_not_numbers(tmp_path, kind):
    path = write(tmp_path / "t", {**ROWS, "y": ["10", "20", "right there", "40", "50"]}, kind)
    with pytest.raises(VitrailError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: column 'y' holds 'right there', wanted numbers."


def test_names_in_another_encoding(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(as_csv(ROWS).encode("latin-1"))
    with pytest.raises(VitrailError) as caught:
        list(TranscriptSource(str(path), FORM).read(UNIT, None, TranscriptCount()))
    assert str(caught.value) == (
        f"{path}: column 'gene' holds text in another encoding, wanted UTF-8."
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_transcript_without_a_gene(tmp_path, kind):
    path = write(tmp_path / "t", {**ROWS, "gene": ["B", "A", "", "A", "C"]}, kind)
    with pytest.raises(VitrailError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: column 'gene' is empty in row 2 (counted from 0), wanted the name of a gene."
    )


def test_one_column_cannot_have_two_roles_of_different_kinds(tmp_path):
    path = write(tmp_path / "t", ROWS, "csv")
    form = transcript_format({"transcripts": {"columns": {"x": "gene"}}})
    with pytest.raises(VitrailError) as caught:
        read(path, form)
    assert str(caught.value) == (
        "transcripts.columns: 'gene' is named twice, wanted a column a role."
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_truncated_tables(tmp_path, kind, share):
    rng = np.random.default_rng(0)
    rows = {"x": rng.random(5000), "y": rng.random(5000), "gene": ["A"] * 5000}
    path = tmp_path / "t"
    write(path, rows, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VitrailError, match=r"is it truncated or still being copied\?$"):
        read(str(path), transcript_format({}))


def test_a_csv_that_ends_inside_a_row(tmp_path):
    (tmp_path / "t.csv").write_text("x,y,gene\n1,2,A\n3,4")
    with pytest.raises(VitrailError) as caught:
        read(str(tmp_path / "t.csv"), transcript_format({}))
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: a row has 2 columns and the header 3; is the file truncated or still "
        "being copied?"
    )


def test_an_empty_file(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(VitrailError) as caught:
        TranscriptSource(str(tmp_path / "t.csv"), transcript_format({}))
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: is an empty file, wanted a table with a header."
    )
