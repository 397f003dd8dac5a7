"""Stage synthesize: a spec to one synthetic slide with its planted truth."""

from vitrail import job


def main(job):
    from vitrail.io.synthetic import SlideFiles, write_slide
    from vitrail.synthesize.spec import read_spec

    spec = read_spec(job.input.spec)
    files = SlideFiles(**vars(job.output))
    slide = job.wildcards.slide
    made = write_slide(spec, slide, files, job.provenance, threads=job.threads, follow=job.follow)
    job.log.info("made %(cells)d cells and %(transcripts)d transcripts", made)


job.run(main, snakemake)
