rule compare:
    """Compare the tissues of all samples and test the conditions."""
    input:
        cells=each("annotated.h5ad", SAMPLES),
        graphs=each("graph.npz", SAMPLES),
        portraits=each("portraits.npz", SAMPLES),
    output:
        divergence=f"{COHORT}/divergence.parquet",
        comparison=f"{COHORT}/comparison.parquet",
    log:
        cohort_log("compare"),
    benchmark:
        cohort_benchmark("compare")
    conda:
        "../../envs/compare.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.05),
        runtime=minutes(20, 0.005),
    params:
        settings=stage_settings("compare"),
        samples=cohort_rows(),
        code=code_of("compare"),
    script:
        "../../scripts/compare.py"
