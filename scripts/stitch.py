"""Stage stitch: the candidates of all shards to label images, outlines and the seams' account."""

from vitrail import job


def main(job):
    from vitrail.stitch.stage import stitch_slide

    found = stitch_slide(
        vars(job.output),
        info=job.input.info,
        tiles=job.input.tiles,
        candidates=job.input.candidates,
        settings=job.params.settings,
        provenance=job.provenance,
    )
    job.log.info("%d cells, %d nuclei", *found)


job.run(main, snakemake)
