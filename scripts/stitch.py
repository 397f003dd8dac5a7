"""Stage stitch: the candidates of all shards to label images, outlines and the seams' account."""

from vitrail import job


def main(job):
    import json

    from vitrail.io.candidates import read_candidates
    from vitrail.io.frame import read_frame
    from vitrail.io.geoparquet import write_geoparquet
    from vitrail.io.labels import open_labels, write_labels
    from vitrail.io.tiles import read_tiles
    from vitrail.outlines import outlines
    from vitrail.stitch import stitch
    from vitrail.stitch.tables import instance_columns, label_columns, seam_report

    frame = read_frame(job.input.info)
    tiles = read_tiles(job.input.tiles)
    settings = job.params.settings
    stitched = stitch(
        [read_candidates(path) for path in job.input.candidates], tiles, settings["overlap"]
    )
    job.log.info("%d cells, %d nuclei", len(stitched.cells), len(stitched.nuclei))
    write_labels(job.output.labels, frame.shape, stitched.cells, stitched.nuclei, job.provenance)
    for kind in ("cells", "nuclei"):
        instances = getattr(stitched, kind)
        columns = label_columns(kind, stitched)
        columns |= instance_columns(instances, tiles, frame)
        geometry = outlines(instances, frame.pixel_size, frame.origin)
        write_geoparquet(getattr(job.output, kind), columns, geometry, job.provenance)
    report = seam_report(
        stitched,
        open_labels(job.output.labels),
        tiles,
        frame,
        settings["max_seam_excess"],
        job.provenance,
    )
    with open(job.output.seams, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1, sort_keys=True)


job.run(main, snakemake)
