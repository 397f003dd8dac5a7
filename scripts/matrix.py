"""Stage matrix: assigned transcripts, labels and image to counts, shapes and intensities."""

from vitrail import job


def main(job):
    from vitrail.matrix.stage import matrix

    shape = matrix(
        job.output.counts,
        slide=job.input.slide,
        info=job.input.info,
        labels=job.input.labels,
        cells=job.input.cells,
        nuclei=job.input.nuclei,
        transcripts=job.input.get("transcripts"),
        account=job.input.get("account"),
        settings=job.params.settings,
        provenance=job.provenance,
        threads=job.threads,
    )
    job.log.info("%d cells, %d columns", *shape)


job.run(main, snakemake)
