"""Stage annotate: counts to quality flags, normalised values, clusters and cell types."""

from vitrail import job


def main(job):
    from vitrail.annotate.run import annotate
    from vitrail.io.h5ad import read_h5ad, write_h5ad
    from vitrail.io.markers import read_markers
    from vitrail.provenance import to_json

    markers = job.input.get("markers")
    cells = annotate(
        read_h5ad(job.input.counts),
        job.params.settings,
        read_markers(markers) if markers else None,
        where=markers or "markers",
    )
    cells.uns["vitrail"] = to_json(job.provenance)
    write_h5ad(job.output.cells, **vars(cells))


job.run(main, snakemake)
