"""Stage cohort: all samples as one AnnData, and their genes tested across samples."""

from vitrail import job


def main(job):
    import pandas as pd

    from vitrail.autocorrelation.across import across
    from vitrail.cohort import concatenate
    from vitrail.io.tables import write_table

    settings = dict(job.params.settings)
    rows = job.params.samples
    counts = concatenate(
        job.output.anndata,
        job.input.anndata,
        rows,
        genes=settings.pop("genes"),
        provenance=job.provenance,
    )
    job.log.info("cohort %s", counts)

    names = [row["sample"] for row in rows]
    paths = job.input.autocorrelation
    table = across(
        {name: pd.read_parquet(path) for name, path in zip(names, paths, strict=True)},
        {row["sample"]: row.get("unit") for row in rows},
        {row["sample"]: row.get("condition") for row in rows},
        **settings,
    )
    write_table(job.output.autocorrelation, table, job.provenance)


job.run(main, snakemake)
