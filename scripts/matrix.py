"""Stage matrix: assigned transcripts, labels and image to counts, shapes and intensities."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner
    from vitrail.io.h5ad import write_h5ad
    from vitrail.io.h5ad_counts import write_counts
    from vitrail.io.labels import open_labels
    from vitrail.io.points import part_paths
    from vitrail.io.scratch import scratch
    from vitrail.io.slide import IMAGE, open_slide
    from vitrail.io.transcripts import units
    from vitrail.matrix import build, counts
    from vitrail.matrix.measure import measure
    from vitrail.provenance import to_json

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    cells, owner = read_cell_table(job.input.cells), read_nucleus_owner(job.input.nuclei)
    sample, has_image = slide.info["sample"], slide.has(IMAGE)

    def read(channel, y0, x0, y1, x1):
        return slide.image[channel, y0:y1, x0:x1]

    shapes, intensities = measure(
        labels.cells,
        labels.nuclei,
        owner,
        len(cells),
        read if has_image else None,
        len(slide.channels),
    )
    parts = {"channels": slide.channels, "intensities": intensities} if has_image else {}
    nuclei = build.count_nuclei(owner, len(cells))
    columns = build.cell_columns(sample, cells, shapes, nuclei, slide.pixel_size)
    account = None
    if job.input.get("transcripts"):
        account = json.loads(Path(job.input.account).read_text(encoding="utf-8"))
        parts["genes"], parts["controls"] = counts.panel(slide.info["genes"], account["controls"])
    matrix = build.build(sample, cells, columns, **parts)
    matrix.uns["vitrail"] = to_json(job.provenance)
    write_h5ad(job.output.counts, **vars(matrix))
    if account is not None:
        panel = parts["genes"], parts["controls"]
        transcripts = units(part_paths(job.input.transcripts), ["gene", "cell", "compartment"])
        with scratch(job.output.counts) as folder:
            counted = counts.collect(transcripts, *panel, len(cells), folder, job.threads)
            sums = counts.Sums(counted.shape[1])
            blocks = sums.watch(counted.blocks(job.threads))
            write_counts(job.output.counts, blocks, counted.shape, len(panel[0]), job.threads)
        sums.check(panel[0], account)
    job.log.info("%d cells, %d columns", *matrix.shape)


job.run(main, snakemake)
