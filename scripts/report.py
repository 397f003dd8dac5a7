"""Stage report: everything that a cohort has to one HTML page."""

from vitrail import job


def main(job):
    from pathlib import Path

    from vitrail.report import Settings, build_report

    given = job.input.get
    page = build_report(
        job.params.files,
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


job.run(main, snakemake)
