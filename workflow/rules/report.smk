rule report:
    """Write the report of the cohort."""
    input:
        samples=each("{sample}.h5ad", SAMPLES),
        parts=[path for sample in SAMPLES for path in drawn_files(sample).values()],
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
        f"{RESULTS}/logs/cohort/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/cohort/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.05),
        runtime=minutes(20, 0.005),
    params:
        settings=stage_settings("report"),
        files=[report_row(sample) for sample in SAMPLES],
        config=reported_config(),
        code=code_of("report"),
        templates=provenance.files_hash(
            sorted(SOURCE.glob("vitrail/report/templates/*"))
        ),
    script:
        "../../scripts/report.py"
