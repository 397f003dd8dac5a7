"""Stage segment: the tiles of one shard to candidate cells and nuclei."""

from vitrail import job


def main(job):
    from vitrail.allocator import give_back_large_blocks
    from vitrail.io.candidates import write_candidates
    from vitrail.io.slide import open_slide
    from vitrail.io.tiles import read_normalization, read_prepared, read_tiles
    from vitrail.segment import segment

    give_back_large_blocks()
    slide = open_slide(job.input.slide, job.input.info)
    tiles = read_tiles(job.input.tiles)
    normalization = read_normalization(job.input.normalization)
    prepared = read_prepared(job.input.get("prepared"))
    shard = int(job.wildcards.shard)
    candidates = segment(
        slide, tiles, normalization, shard, job.params.settings, prepared, job.follow
    )
    job.log.info("%d cells, %d nuclei", len(candidates["cells"]), len(candidates["nuclei"]))
    write_candidates(job.output.candidates, candidates)


job.run(main, snakemake)
