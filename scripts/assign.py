"""Stage assign: raw transcripts and labels to transcripts with their cells, and the account."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.assign.account import summary
    from vitrail.assign.given import given_lookup
    from vitrail.assign.lookup import CellLookup, Frame
    from vitrail.assign.stream import Rules, assign
    from vitrail.io.cell_table import read_cell_table, read_nucleus_owner, read_nucleus_table
    from vitrail.io.label_chunks import LabelChunks
    from vitrail.io.labels import open_labels
    from vitrail.io.points import begin_parts
    from vitrail.io.slide import open_slide
    from vitrail.io.transcripts import assigned_schema, units

    slide = open_slide(job.input.slide, job.input.info)
    labels = open_labels(job.input.labels)
    parts = slide.transcript_parts()
    rules = Rules(**job.params.settings)
    cells = read_cell_table(job.input.cells)
    nucleus_labels = LabelChunks(labels.nuclei)
    exact = rules.boundaries == "exact" and slide.has("shapes/cells")
    if exact:
        nuclei = read_nucleus_table(job.input.nuclei)
        lookup = given_lookup(slide, cells, nuclei, nucleus_labels, rules.overlap)
    else:
        owner = read_nucleus_owner(job.input.nuclei)
        lookup = CellLookup(LabelChunks(labels.cells), nucleus_labels, owner)
    write = begin_parts(job.output.transcripts, assigned_schema(parts), instance_key="cell")
    account = assign(
        job.follow(units(parts), "parts of the transcripts", len(parts)),
        slide.info["genes"],
        lookup,
        Frame(slide.pixel_size, slide.origin),
        write,
        rules=rules,
        transcripts_in=slide.info["transcripts"]["rows"],
        sources=cells.source,
        threads=job.threads,
    )
    account["cells_from"] = "outlines" if exact else "labels"
    account["provenance"] = job.provenance
    Path(job.output.account).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    job.log.info("%s", summary(account))


job.run(main, snakemake)
