"""Where the public data sets of the examples are: the folder that VITRAIL_TEST_DATA names."""

import os
from pathlib import Path

import pytest
import yaml

from vitrail import readers
from vitrail.sheet import read_sheet

EXAMPLES = Path(__file__).parent.parent / "config" / "examples"
DATA = os.environ.get("VITRAIL_TEST_DATA")
needs_data = pytest.mark.skipif(
    not DATA, reason="the environment variable VITRAIL_TEST_DATA does not name the data folder"
)


def example(name):
    """Rows of an example's sheet, each with its format entry."""
    config = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    formats = {"generic": {}, **config["formats"]}
    rows = read_sheet(EXAMPLES / f"{name}.tsv", [])
    for row in rows:
        readers.check(row, formats, f"{name}.tsv")
    return [(row, readers.format_settings(formats, row["format"])) for row in rows]
