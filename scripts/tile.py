"""Stage tile: a slide to tiles, shards and slide-wide values."""

from vitrail import job


def main(job):
    from vitrail.io.slide import open_slide
    from vitrail.io.tiles import write_normalization, write_tiles
    from vitrail.tile import divide

    slide = open_slide(job.input.slide, job.input.info)
    tiles, normalization = divide(slide, **job.params.settings)
    job.log.info("%d tiles, %.1f %% tissue", len(tiles), 100 * tiles.tissue.mean())
    write_tiles(job.output.tiles, tiles, job.provenance)
    write_normalization(job.output.normalization, normalization, job.provenance)


job.run(main, snakemake)
