"""Stage compare: all samples' portraits to divergences and tests of the conditions."""

from vitrail import job


def main(job):
    from vitrail.compare import Sample, compare_portraits
    from vitrail.io.portraits import read_portraits
    from vitrail.io.tables import write_table

    samples = [
        Sample(row["sample"], read_portraits(path), row.get("condition"), row.get("unit"))
        for row, path in zip(job.params.samples, job.input.portraits, strict=True)
    ]
    result = compare_portraits(samples, **job.params.settings, threads=job.threads)
    primary = result.comparison[result.comparison["primary"]]
    job.log.info("primary test %s", primary[["graph", "pseudo_f", "p", "note"]].to_dict("records"))
    write_table(job.output.divergence, result.divergence, job.provenance)
    write_table(job.output.comparison, result.comparison, job.provenance)


job.run(main, snakemake)
