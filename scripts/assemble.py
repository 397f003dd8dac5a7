"""Stage assemble: all that a sample has to its AnnData and its SpatialData."""

from vitrail import job


def main(job):
    from vitrail.assemble import write_anndata, write_spatialdata

    given = job.input.get
    write_anndata(
        job.output.anndata,
        job.input.cells,
        graph=given("graph"),
        autocorrelation=given("autocorrelation"),
        autocorrelation_pairs=given("autocorrelation_pairs"),
        autocorrelation_local=given("autocorrelation_local"),
        enrichment=given("enrichment"),
        portraits=given("portraits"),
        topography=given("topography"),
        borders=given("borders"),
        info=given("info"),
        provenance=job.provenance,
    )
    linked = write_spatialdata(
        job.output.spatialdata,
        job.output.anndata,
        slide=given("slide"),
        info=given("info"),
        labels=given("labels"),
        outlines=given("outlines"),
        nuclei=given("nuclei"),
        transcripts=given("transcripts"),
        **job.params.settings,
    )
    job.log.info("image, labels and transcripts are %s", "linked" if linked else "copied")


job.run(main, snakemake)
