rule cohort:
    """Join all samples, compare each gene's arrangement and the topography of conditions."""
    input:
        anndata=each("{sample}.h5ad", SAMPLES),
        autocorrelation=each("autocorrelation.parquet", filter(has_genes, SAMPLES)),
        topography=each("topography.parquet", charted()),
    output:
        anndata=f"{COHORT}/cohort.h5ad",
        autocorrelation=f"{COHORT}/autocorrelation.parquet",
        topography=f"{COHORT}/topography.parquet",
        topography_tests=f"{COHORT}/topography_tests.parquet",
    log:
        cohort_log("cohort"),
    benchmark:
        cohort_benchmark("cohort")
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.1),
        runtime=minutes(20, 0.01),
    params:
        settings=stage_settings("cohort"),
        samples=cohort_rows(),
        genes=[sample for sample in SAMPLES if has_genes(sample)],
        topography=charted(),
        code=code_of("cohort"),
    script:
        "../../scripts/cohort.py"
