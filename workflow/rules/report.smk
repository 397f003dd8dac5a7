rule report:
    """Write the report of the cohort."""
    input:
        unpack(drawn_files),
        anndata=each("{sample}.h5ad", SAMPLES),
        divergence=f"{COHORT}/divergence.parquet",
        comparison=f"{COHORT}/comparison.parquet",
        autocorrelation=f"{COHORT}/autocorrelation.parquet",
        topography=f"{COHORT}/topography.parquet",
        topography_tests=f"{COHORT}/topography_tests.parquet",
    output:
        report=report(
            f"{COHORT}/report.html", caption="../report/report.rst", category="Cohort"
        ),
    log:
        cohort_log("report"),
    benchmark:
        cohort_benchmark("report")
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.05),
        runtime=minutes(20, 0.005),
    params:
        settings=stage_settings("report"),
        samples=[report_row(sample) for sample in SAMPLES],
        config=reported_config(),
        code=code_of("report"),
        templates=provenance.files_hash(
            sorted(SOURCE.glob("vitrail/report/templates/*"))
        ),
    script:
        "../../scripts/report.py"
