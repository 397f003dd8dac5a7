"""Stage table: a table of cells to a file of counts."""

from vitrail import job


def main(job):
    from vitrail.readers import at_hand
    from vitrail.table import table

    row, names = at_hand(job.params.sample, job.input)
    cells = table(row, job.params.format, job.output.counts, provenance=job.provenance, names=names)
    job.log.info("%d cells", cells)


job.run(main, snakemake)
