"""Stage compare as its script runs it."""

import numpy as np
import pandas as pd
import pytest
from statistics_files import COMPARE, GRAPH, PORTRAIT, run_stage, write_annotated
from tissues import tissue

from vitrail.compare import compare
from vitrail.errors import VitrailError
from vitrail.io.tables import read_table, write_table


def run(folder, samples, rows, threads=1, portrait=None):
    """Tables of a cohort; `samples` maps names to positions and types."""
    files = {"cells": [], "graphs": [], "portraits": []}
    for name, (xy, types) in samples.items():
        (folder / name).mkdir(exist_ok=True)
        cells, graph = folder / name / "annotated.h5ad", folder / name / "graph.npz"
        portraits = folder / name / "portraits.npz"
        write_annotated(cells, xy, types, sample=name)
        run_stage("graph", {"cells": cells}, {"graph": graph}, GRAPH)
        settings = {**PORTRAIT, **(portrait or {}).get(name, {})}
        run_stage("portrait", {"cells": cells, "graph": graph}, {"portraits": portraits}, settings)
        for kind, path in zip(files, (cells, graph, portraits), strict=True):
            files[kind].append(str(path))
    outputs = {kind: folder / f"{kind}.parquet" for kind in ("divergence", "comparison")}
    run_stage("compare", files, outputs, COMPARE, threads, samples=rows)
    return outputs["divergence"], outputs["comparison"]


@pytest.fixture
def cohort():
    samples = {f"S{i}": tissue(i, 300, 0.9 if i < 3 else 0.0) for i in range(6)}
    rows = [
        {"sample": name, "condition": "in" if i < 3 else "out", "unit": f"p{i}"}
        for i, name in enumerate(samples)
    ]
    return samples, rows


def test_tables_are_those_of_the_library(tmp_path, cohort):
    samples, rows = cohort
    paths = run(tmp_path, samples, rows)
    settings = {key: value for key, value in COMPARE.items() if key != "seed"}
    wanted = compare(
        {name: xy for name, (xy, _) in samples.items()},
        {name: types for name, (_, types) in samples.items()},
        {row["sample"]: row["unit"] for row in rows},
        {row["sample"]: row["condition"] for row in rows},
        portrait=PORTRAIT,
        seed=1,
        **settings,
    )
    for path, table in zip(paths, wanted, strict=True):
        pd.testing.assert_frame_equal(read_table(path), table, check_exact=True)
    tests = read_table(paths[1])
    assert tests.loc[tests["primary"], "p"].item() == 0.1  # 2 of 20 labelings
    assert tests.loc[0, "statistic"] == "arrangement profile"


def test_same_bytes_with_two_threads(tmp_path, cohort):
    one = [path.read_bytes() for path in run(tmp_path, *cohort)]
    assert one == [path.read_bytes() for path in run(tmp_path, *cohort, threads=2)]


def test_sheet_without_conditions_and_units(tmp_path, cohort):
    samples, rows = cohort
    rows = [{"sample": row["sample"], "condition": None, "unit": None} for row in rows]
    divergence, tests = map(read_table, run(tmp_path, samples, rows))
    assert len(divergence) == 15 * 7
    assert divergence["condition_a"].isna().all()
    assert tests["p"].isna().all()
    assert (tests["note"].str.startswith("not tested: 0 conditions")).all()


def test_one_sample_and_an_empty_one(tmp_path, cohort):
    samples, rows = cohort
    one = {"S0": samples["S0"]}
    divergence, tests = map(read_table, run(tmp_path, one, rows[:1]))
    assert divergence.empty
    assert tests["note"].str.startswith("not tested: 1 condition").all()
    both = {**one, "none": (np.zeros((0, 2)), [])}
    divergence, tests = map(read_table, run(tmp_path, both, [*rows[:1], {"sample": "none"}]))
    assert divergence.loc[divergence["graph"] == "tissue", "raw"].tolist() == [1.0]
    assert "left out for fewer cells than a window of 40: none (0)" in tests["note"].iloc[-1]


def test_samples_with_other_settings_are_refused(tmp_path, cohort):
    samples, rows = cohort
    with pytest.raises(SystemExit):
        run(tmp_path, samples, rows, portrait={"S4": {"depth": 3}})
    assert not (tmp_path / "comparison.parquet").exists()


def test_not_a_table(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"none")
    with pytest.raises(VitrailError, match=r"x\.parquet: found no parquet table"):
        read_table(tmp_path / "x.parquet")
    write_table(tmp_path / "y.parquet", pd.DataFrame({"a": [1]}), {"stage": "s"})
    assert read_table(tmp_path / "y.parquet")["a"].tolist() == [1]
