"""Stage ingest: raw files to one SpatialData store."""

from vitrail import job


def main(job):
    from vitrail.ingest import ingest
    from vitrail.readers import at_hand

    row, names = at_hand(job.params.sample, job.input)
    ingest(
        row,
        job.params.format,
        job.params.settings,
        job.output.slide,
        job.output.info,
        provenance=job.provenance,
        threads=job.threads,
        names=names,
        log=job.log,
    )


job.run(main, snakemake)
