"""Stage assign: raw transcripts and labels to transcripts with their cells, and the account."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.assign.account import summary
    from vitrail.assign.lookup import CellLookup, Frame
    from vitrail.assign.stream import Rules, assign
    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner
    from vitrail.io.label_chunks import LabelChunks
    from vitrail.io.labels import open_labels
    from vitrail.io.points import begin_parts
    from vitrail.io.slide import open_slide
    from vitrail.io.transcripts import assigned_schema, units

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    parts = slide.transcript_parts()
    owner = read_nucleus_owner(job.input.nuclei)
    write = begin_parts(job.output.transcripts, assigned_schema(parts), instance_key="cell")
    account = assign(
        units(parts),
        slide.info["genes"],
        CellLookup(LabelChunks(labels.cells), LabelChunks(labels.nuclei), owner),
        Frame(slide.pixel_size, slide.origin),
        write,
        rules=Rules(**job.params.settings),
        transcripts_in=slide.info["transcripts"]["rows"],
        sources=read_cell_table(job.input.cells).source,
        threads=job.threads,
    )
    account["provenance"] = job.provenance
    Path(job.output.account).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    job.log.info("%s", summary(account))


job.run(main, snakemake)
