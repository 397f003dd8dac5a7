"""Stage assign: raw transcripts and labels to transcripts with their cells, and the account."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.assign.account import summary
    from vitrail.assign.lookup import CellLookup
    from vitrail.assign.stream import Frame, Rules, assign
    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner
    from vitrail.io.labels import open_labels
    from vitrail.io.points import PointsWriter
    from vitrail.io.slide import open_slide
    from vitrail.io.transcripts import assigned_schema, read_batches

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    parts = slide.transcript_parts()
    owner = read_nucleus_owner(job.input.nuclei)
    with PointsWriter(
        job.output.transcripts, assigned_schema(parts), instance_key="cell"
    ) as writer:
        account = assign(
            read_batches(parts),
            slide.info["genes"],
            CellLookup(labels.cells, labels.nuclei, owner),
            Frame(slide.pixel_size, slide.origin),
            writer.write,
            rules=Rules(**job.params.settings),
            transcripts_in=slide.info["transcripts"]["rows"],
            sources=read_cell_table(job.input.cells).source,
        )
    account["provenance"] = job.provenance
    Path(job.output.account).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    job.log.info("%s", summary(account))


job.run(main, snakemake)
