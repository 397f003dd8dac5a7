"""Stage report: everything that a cohort has to one HTML page."""

from vitrail import job


def main(job):
    from pathlib import Path

    from vitrail.report import Settings, build_report

    given = job.input.get
    page = build_report(
        files_of_samples(job.params.samples, job.input),
        divergence=given("divergence"),
        comparison=given("comparison"),
        autocorrelation=given("autocorrelation"),
        places=given("topography"),
        place_tests=given("topography_tests"),
        settings=Settings(**job.params.settings),
        config=job.params.config,
    )
    Path(job.output.report).write_text(page, encoding="utf-8")
    job.log.info("the page has %.1f MB", len(page) / 1e6)


def files_of_samples(samples, inputs):
    """Each sample's row and files; the inputs list each kind in the order of the samples."""
    waiting = {part: iter(inputs[part]) for sample in samples for part in sample["parts"]}
    anndata = iter(inputs["anndata"])
    return [
        {
            "row": sample["row"],
            "anndata": next(anndata),
            **{part: next(waiting[part]) for part in sample["parts"]},
        }
        for sample in samples
    ]


job.run(main, snakemake)
