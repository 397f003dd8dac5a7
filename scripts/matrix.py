"""Stage matrix: assigned transcripts, labels and image to counts, shapes and intensities."""

from vitrail import job


def main(job):
    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner
    from vitrail.io.h5ad import write_h5ad
    from vitrail.io.labels import open_labels
    from vitrail.io.slide import IMAGE, open_slide
    from vitrail.matrix import build
    from vitrail.matrix.background import Background
    from vitrail.matrix.measure import measure
    from vitrail.provenance import to_json

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    cells, owner = read_cell_table(job.input.cells), read_nucleus_owner(job.input.nuclei)
    background = Background(slide.shape, slide.pixel_size)
    image = slide.image if slide.has(IMAGE) else None
    shapes, intensities = measure(
        labels.cells, labels.nuclei, owner, len(cells), image, watch=background.watch
    )
    measured = {} if image is None else {"channels": slide.channels, "intensities": intensities}
    nuclei = build.count_nuclei(owner, len(cells))
    columns = build.cell_columns(slide.info["sample"], cells, shapes, nuclei, slide.pixel_size)

    def described(**panel):
        matrix = build.build(slide.info["sample"], cells, columns, **measured, **panel)
        matrix.uns["vitrail"] = to_json(job.provenance)
        return matrix

    if job.input.get("transcripts"):
        matrix = count(job, slide, labels.cells, background, len(cells), described)
    else:
        matrix = described()
        write_h5ad(job.output.counts, **vars(matrix))
    job.log.info("%d cells, %d columns", *matrix.shape)


def count(job, slide, labels, background, n_cells, described):
    """Count the transcripts and write them beside what `described` gives for their panel."""
    import json
    from pathlib import Path

    import numpy as np

    from vitrail.assign.lookup import Frame
    from vitrail.io.h5ad import write_h5ad
    from vitrail.io.h5ad_counts import write_counts
    from vitrail.io.points import part_paths
    from vitrail.io.scratch import scratch
    from vitrail.io.transcripts import units
    from vitrail.matrix import counts
    from vitrail.matrix.layers import Extras, Layers

    account = json.loads(Path(job.input.account).read_text(encoding="utf-8"))
    genes, controls = counts.panel(slide.info["genes"], account["controls"])
    shape = (n_cells, len(genes) + len(controls))
    frame = Frame(slide.pixel_size, slide.origin)
    with scratch(job.output.counts) as folder:
        extras = Extras(
            Layers.of(job.params.settings),
            background,
            labels,
            frame,
            genes,
            shape,
            folder / "outside",
        )
        transcripts = extras.watch(units(part_paths(job.input.transcripts), extras.columns))
        counted = counts.collect(transcripts, genes, controls, n_cells, folder, job.threads)
        matrix = described(genes=genes, controls=controls)
        extras.describe(matrix, account)
        write_h5ad(job.output.counts, **vars(matrix))
        sums = counts.Sums(shape[1])
        blocks = sums.watch(counted.blocks(job.threads))
        layers = extras.layers(np.asarray(matrix.obs["area_um2"]), job.threads)
        write_counts(job.output.counts, blocks, shape, len(genes), job.threads, layers)
    sums.check(genes, account)
    return matrix


job.run(main, snakemake)
