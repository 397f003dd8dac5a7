"""Stage autocorrelation: genes over the spatial graph, alone, in pairs and cell by cell."""

from vitrail import job


def main(job):
    from vitrail.autocorrelation.stage import autocorrelation, not_measured
    from vitrail.graph import interior
    from vitrail.io.cells import read_cells, read_lognorm
    from vitrail.io.graph import read_graph
    from vitrail.io.tables import write_table

    settings = dict(job.params.settings)
    values, genes = read_lognorm(job.input.cells, settings.pop("layer"))
    cells = read_cells(job.input.cells)
    graph, used = read_graph(job.input.graph), cells.qc_pass
    if settings.pop("leave_out_border"):
        used = used & interior(graph)
    unknown = not_measured(genes, settings["pairs"], settings["local_genes"])
    if unknown:
        job.log.warning("not measured in this sample: %s", ", ".join(unknown))
    tables = autocorrelation(
        values, list(genes), graph.connectivities, used, cells.cell, threads=job.threads, **settings
    )
    job.log.info(
        "%d genes, %d of them without a result", len(tables.genes), tables.genes["reason"].count()
    )
    write_table(job.output.autocorrelation, tables.genes, job.provenance)
    write_table(job.output.pairs, tables.pairs, job.provenance)
    write_table(job.output.local, tables.local, job.provenance)


job.run(main, snakemake)
