"""Stage graph: annotated cells to the spatial graph."""

from vitrail import job


def main(job):
    from vitrail.graph import build
    from vitrail.io.cells import read_cells
    from vitrail.io.graph import write_graph

    cells = read_cells(job.input.cells)
    graph = build(cells.xy, cells.qc_pass, **job.params.settings, threads=job.threads)
    job.log.info("graph %s", graph.meta)
    write_graph(job.output.graph, graph, job.provenance)


job.run(main, snakemake)
