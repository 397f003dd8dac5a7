"""Stage annotate: counts to quality flags, normalised values, clusters and cell types."""

from vitrail import job


def main(job):
    from vitrail.annotate.run import annotate
    from vitrail.io.markers import read_markers

    markers = job.input.get("markers")
    annotate(
        job.input.counts,
        job.output.cells,
        job.params.settings,
        read_markers(markers) if markers else None,
        where=markers or "markers",
        provenance=job.provenance,
        threads=job.threads,
    )


job.run(main, snakemake)
