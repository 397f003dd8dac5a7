"""Stage portrait: cells and their graph to network portraits."""

from vitrail import job


def main(job):
    from vitrail.graph import interior
    from vitrail.io.cells import read_cells
    from vitrail.io.graph import read_graph
    from vitrail.io.portraits import write_portraits
    from vitrail.portrait.sample import sample_portraits

    cells = read_cells(job.input.cells)
    types = cells.cell_type
    settings = dict(job.params.settings)
    graph, used = read_graph(job.input.graph), cells.qc_pass
    if settings.pop("leave_out_border"):
        used = used & interior(graph)
    portraits = sample_portraits(
        graph,
        cells.xy,
        used,
        types and (types.codes, types.names),
        **settings,
        threads=job.threads,
    )
    job.log.info("portraits of %d cells, %d types", portraits.meta["cells"], len(portraits.types))
    write_portraits(job.output.portraits, portraits, job.provenance)


job.run(main, snakemake)
