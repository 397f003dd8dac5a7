"""Stage autocorrelation: each gene's Moran's I and Geary's C over the spatial graph."""

from vitrail import job


def main(job):
    from vitrail.autocorrelation.stage import gene_table
    from vitrail.io.cells import read_cells, read_lognorm
    from vitrail.io.graph import read_graph
    from vitrail.io.tables import write_table

    settings = dict(job.params.settings)
    layer = settings.pop("layer")
    values, genes = read_lognorm(job.input.cells, layer)
    table = gene_table(
        values,
        list(genes),
        read_graph(job.input.graph).connectivities,
        read_cells(job.input.cells).qc_pass,
        **settings,
        threads=job.threads,
    )
    job.log.info("%d genes, %d of them without a result", len(table), table["reason"].notna().sum())
    write_table(job.output.autocorrelation, table, job.provenance)


job.run(main, snakemake)
