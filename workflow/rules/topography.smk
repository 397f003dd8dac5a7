rule topography:
    """Measure where chosen cell types lie with regard to the border of the tumour."""
    input:
        unpack(outlined),
    output:
        topography=f"{RESULTS}/{{sample}}/topography.parquet",
        cells=f"{RESULTS}/{{sample}}/topography.npz",
    log:
        log_of("topography"),
    benchmark:
        benchmark_of("topography")
    conda:
        "../../envs/topography.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 0.1),
        runtime=minutes(10, 0.005),
    params:
        settings=settings_of("topography"),
        code=code_of("topography"),
    script:
        "../../scripts/topography.py"
