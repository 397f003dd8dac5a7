"""Stage prepare: what the segmenter measures once a slide."""

from vitrail import job


def main(job):
    from vitrail.io.slide import open_slide
    from vitrail.io.tiles import read_normalization, write_prepared
    from vitrail.prepare import prepare

    slide = open_slide(job.input.slide, job.input.info)
    normalization = read_normalization(job.input.normalization)
    values = prepare(slide, normalization, job.params.settings)
    write_prepared(job.output.prepared, values, job.provenance)


job.run(main, snakemake)
