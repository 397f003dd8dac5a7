"""Stage ingest: raw files to one SpatialData store."""

from vitrail import job


def main(job):
    from vitrail.ingest import ingest

    ingest(
        job.params.sample,
        job.params.format,
        job.params.settings,
        job.output.slide,
        job.output.info,
        provenance=job.provenance,
        threads=job.threads,
        log=job.log,
    )


job.run(main, snakemake)
