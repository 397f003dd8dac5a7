"""Stage enrichment: which cell types stand beside each other."""

from vitrail import job


def main(job):
    from vitrail.enrichment.stage import enrichment_table
    from vitrail.io.cells import read_cells
    from vitrail.io.graph import read_graph
    from vitrail.io.tables import write_table

    cells = read_cells(job.input.cells)
    types = cells.cell_type
    table = enrichment_table(
        read_graph(job.input.graph),
        cells.xy,
        cells.qc_pass,
        types and (types.codes, types.names),
        **job.params.settings,
        threads=job.threads,
    )
    job.log.info("%d pairs of types and distances", len(table))
    write_table(job.output.enrichment, table, job.provenance)


job.run(main, snakemake)
