"""Write the sheet of the CODEX example: one row an image, patients as units, groups as conditions.

    python config/examples/make_codex_sheet.py $VITRAIL_TEST_DATA/tables/crc_codex_schurch.parquet

prints the sheet; config/examples/codex_crc.tsv holds what it printed.
"""

import sys

import pyarrow.parquet as pq

TABLE = "${VITRAIL_TEST_DATA}/tables/crc_codex_schurch.parquet"
COLUMNS = ("sample", "condition", "unit", "format", "table", "table_filter")


def rows(path):
    """Cells of one row of the sheet for each image, in the order of the table."""
    images = pq.read_table(path, columns=["imageID", "Group", "ID"]).to_pandas()
    for image in images.drop_duplicates("imageID").itertuples():
        yield (
            image.imageID,
            f"group_{image.Group:g}",
            f"patient_{image.ID:g}",
            "codex_crc",
            TABLE,
            f"imageID={image.imageID}",
        )


if __name__ == "__main__":
    for cells in (COLUMNS, *rows(sys.argv[1])):
        print("\t".join(cells))
