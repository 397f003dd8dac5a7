"""Stage matrix: assigned transcripts, labels and image to counts, shapes and intensities."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.assign.stream import Frame
    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner
    from vitrail.io.h5ad import write_h5ad
    from vitrail.io.labels import open_labels
    from vitrail.io.points import part_paths
    from vitrail.io.slide import IMAGE, open_slide
    from vitrail.io.transcripts import read_batches
    from vitrail.matrix import build, counts
    from vitrail.matrix.background import Background
    from vitrail.matrix.layers import Extras, Layers
    from vitrail.matrix.measure import measure
    from vitrail.provenance import to_json

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    cells, owner = read_cell_table(job.input.cells), read_nucleus_owner(job.input.nuclei)
    sample, has_image = slide.info["sample"], slide.has(IMAGE)
    background = Background(slide.shape, slide.pixel_size)
    shapes, intensities = measure(
        labels.cells,
        labels.nuclei,
        owner,
        len(cells),
        slide.image if has_image else None,
        watch=background.watch,
    )
    parts = {"channels": slide.channels, "intensities": intensities} if has_image else {}
    extras = None
    if job.input.get("transcripts"):
        account = json.loads(Path(job.input.account).read_text(encoding="utf-8"))
        genes, controls = counts.panel(slide.info["genes"], account["controls"])
        extras = Extras(
            Layers.of(job.params.settings),
            background,
            labels.cells,
            Frame(slide.pixel_size, slide.origin),
            genes,
            len(cells),
        )
        batches = read_batches(part_paths(job.input.transcripts), extras.columns)
        counted = counts.count(extras.watch(batches), genes, controls, len(cells))
        counts.check(counted, genes, account)
        parts |= {"counts": counted, "genes": genes, "controls": controls}
    nuclei = build.count_nuclei(owner, len(cells))
    columns = build.cell_columns(sample, cells, shapes, nuclei, slide.pixel_size)
    matrix = build.build(sample, cells, columns, **parts)
    if extras is not None:
        extras.add_to(matrix)
    matrix.uns["vitrail"] = to_json(job.provenance)
    write_h5ad(job.output.counts, **vars(matrix))
    job.log.info("%d cells, %d columns", *matrix.X.shape)


job.run(main, snakemake)
