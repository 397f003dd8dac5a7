"""Stage autocorrelation: genes over the spatial graph, alone, in pairs and cell by cell."""

from vitrail import job


def main(job):
    from vitrail.autocorrelation.stage import gene_table, local_table, pair_table
    from vitrail.graph import interior
    from vitrail.io.cells import read_cells, read_lognorm
    from vitrail.io.graph import read_graph
    from vitrail.io.tables import write_table

    settings = dict(job.params.settings)
    layer, pairs, chosen = (settings.pop(key) for key in ("layer", "pairs", "local_genes"))
    values, genes = read_lognorm(job.input.cells, layer)
    cells = read_cells(job.input.cells)
    graph, used = read_graph(job.input.graph), cells.qc_pass
    if settings.pop("leave_out_border"):
        used = used & interior(graph)
    data = (values, list(genes), graph.connectivities, used)
    settings["threads"] = job.threads
    table = gene_table(*data, **settings)
    job.log.info("%d genes, %d of them without a result", len(table), table["reason"].notna().sum())
    unknown = {*chosen, *(gene for pair in pairs for gene in pair)} - set(genes)
    if unknown:
        job.log.warning("not measured in this sample: %s", ", ".join(sorted(unknown)))
    write_table(job.output.autocorrelation, table, job.provenance)
    write_table(job.output.pairs, pair_table(*data, pairs, **settings), job.provenance)
    write_table(
        job.output.local, local_table(*data, cells.cell, chosen, **settings), job.provenance
    )


job.run(main, snakemake)
