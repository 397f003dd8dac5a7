"""The sheet of the small cohort that the workflow's tests run: two slides of two conditions."""

COLUMNS = ["sample", "condition", "unit", "format", "image", "transcripts", "pixel_size"]
COLUMNS += ["annotate.markers", "topography.tumour_types", "topography.target_types"]


def sheet_row(sample: str, condition: str, unit: str, slide: str) -> str:
    folder = f"results/synthetic/{slide}"
    files = [f"{folder}/image.ome.tif", f"{folder}/transcripts.parquet"]
    cells = [sample, condition, unit, "synthetic", *files, "0.5", "config/demo/markers.yaml"]
    cells += ["[tumour]", "[T cell]"]
    return "\t".join(cells)


SHEET = "\n".join(
    [
        "\t".join(COLUMNS),
        sheet_row("A", "infiltrated", "patient1", "P1"),
        sheet_row("B", "excluded", "patient2", "P2"),
        "",
    ]
)
