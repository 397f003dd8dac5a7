rule cohort:
    """Join all samples, and compare the arrangement of each gene between conditions."""
    input:
        anndata=each("{sample}.h5ad", SAMPLES),
        autocorrelation=each("autocorrelation.parquet", SAMPLES),
    output:
        anndata=f"{COHORT}/cohort.h5ad",
        autocorrelation=f"{COHORT}/autocorrelation.parquet",
    log:
        f"{RESULTS}/logs/cohort/cohort.log",
    benchmark:
        f"{RESULTS}/benchmarks/cohort/cohort.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=stage_settings("cohort"),
        samples=cohort_rows(),
        code=code_of("cohort"),
    script:
        "../../scripts/cohort.py"
