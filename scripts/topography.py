"""Stage topography: where chosen cell types lie with regard to the border of the tumour."""

from vitrail import job


def main(job):
    from vitrail.io.cells import read_cells
    from vitrail.io.topography import read_outlines, write_topography
    from vitrail.topography.stage import measure_sample

    settings = dict(job.params.settings)
    path, scale = settings.pop("outlines"), settings.pop("outlines_scale")
    result = measure_sample(
        read_cells(job.input.cells), read_outlines(path, scale) if path else None, settings
    )
    for row in result.rows:
        job.log.info("%s: %s", row["cell_type"], row["phenotype"] or row["note"])
    write_topography(job.output.topography, job.output.cells, result, job.provenance)


job.run(main, snakemake)
