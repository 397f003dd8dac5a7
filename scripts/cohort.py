"""Stage cohort: all samples as one AnnData, their genes and topography tested across samples."""

from vitrail import job


def main(job):
    import pyarrow.parquet as pq

    from vitrail.autocorrelation.across import across
    from vitrail.cohort import concatenate
    from vitrail.io.tables import read_table, write_table
    from vitrail.topography.across import across as topography_across

    settings = dict(job.params.settings)
    high_density = settings.pop("high_density")
    rows = job.params.samples
    counts = concatenate(
        job.output.anndata,
        job.input.anndata,
        rows,
        genes=settings.pop("genes"),
        provenance=job.provenance,
    )
    job.log.info("cohort %s", counts)

    units = {row["sample"]: row.get("unit") for row in rows}
    conditions = {row["sample"]: row.get("condition") for row in rows}
    table = across(
        {
            name: read_table(path)
            for name, path in zip(job.params.genes, job.input.autocorrelation, strict=True)
        },
        units,
        conditions,
        **settings,
    )
    write_table(job.output.autocorrelation, table, job.provenance)

    rows_of = {
        name: pq.read_table(path).to_pylist()
        for name, path in zip(job.params.topography, job.input.topography, strict=True)
    }
    places = topography_across(rows_of, units, conditions, high_density, **settings)
    write_table(job.output.topography, places.samples, job.provenance)
    write_table(job.output.topography_tests, places.tests, job.provenance)


job.run(main, snakemake)
