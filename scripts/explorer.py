"""Stage explorer: a finished sample to a folder that Xenium Explorer opens."""

from vitrail import job


def main(job):
    from vitrail.explorer.stage import explorer

    given = job.input.get
    written = explorer(
        job.output.folder,
        sample=job.wildcards.sample,
        slide=job.input.slide,
        info=job.input.info,
        outlines=job.input.outlines,
        nuclei=job.input.nuclei,
        cells=job.input.cells,
        transcripts=given("transcripts"),
        corners=job.params.settings["corners"],
        threads=job.threads,
    )
    job.log.info("%(cells)d cells, %(transcripts)d transcripts", written)


job.run(main, snakemake)
