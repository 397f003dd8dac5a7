"""Stage assign: raw transcripts and labels to transcripts with their cells, and the account."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.assign.account import summary
    from vitrail.assign.stage import assign_slide

    account = assign_slide(
        job.output.transcripts,
        slide=job.input.slide,
        info=job.input.info,
        labels=job.input.labels,
        cells=job.input.cells,
        nuclei=job.input.nuclei,
        settings=job.params.settings,
        threads=job.threads,
        follow=job.follow,
    )
    account["provenance"] = job.provenance
    Path(job.output.account).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    job.log.info("%s", summary(account))


job.run(main, snakemake)
