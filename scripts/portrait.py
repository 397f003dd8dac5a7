"""Stage portrait: cells and their graph to network portraits."""

from vitrail import job


def main(job):
    from vitrail.io.cells import read_cells
    from vitrail.io.graph import read_graph
    from vitrail.io.portraits import write_portraits
    from vitrail.portrait.sample import sample_portraits

    cells = read_cells(job.input.cells)
    types = cells.cell_type
    portraits = sample_portraits(
        read_graph(job.input.graph),
        cells.xy,
        cells.qc_pass,
        types and (types.codes, types.names),
        **job.params.settings,
        threads=job.threads,
    )
    job.log.info("portraits of %d cells, %d types", portraits.meta["cells"], len(portraits.types))
    write_portraits(job.output.portraits, portraits, job.provenance)


job.run(main, snakemake)
