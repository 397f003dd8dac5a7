"""Stage table: a table of cells to a file of counts."""

from vitrail import job


def main(job):
    from vitrail.table import table

    cells = table(
        job.params.sample, job.params.format, job.output.counts, provenance=job.provenance
    )
    job.log.info("%d cells", cells)


job.run(main, snakemake)
