"""Stage preview: a picture of a region of the slide with the outlines of its cells."""

from vitrail import job


def main(job):
    from vitrail.io.labels import open_labels
    from vitrail.io.slide import open_slide
    from vitrail.preview import preview, write_png

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    picture = preview(slide, labels.cells, labels.nuclei, **job.params.settings)
    write_png(job.output.picture, picture)


job.run(main, snakemake)
