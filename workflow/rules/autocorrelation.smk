rule autocorrelation:
    """Measure how far each gene is arranged in space."""
    input:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
        graph=f"{RESULTS}/{{sample}}/graph.npz",
    output:
        autocorrelation=f"{RESULTS}/{{sample}}/autocorrelation.parquet",
        pairs=f"{RESULTS}/{{sample}}/autocorrelation_pairs.parquet",
        local=f"{RESULTS}/{{sample}}/autocorrelation_local.parquet",
    log:
        log_of("autocorrelation"),
    benchmark:
        benchmark_of("autocorrelation")
    conda:
        "../../envs/autocorrelation.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 0.2),
        runtime=minutes(15, 0.02),
    params:
        settings=settings_of("autocorrelation"),
        code=code_of("autocorrelation"),
    script:
        "../../scripts/autocorrelation.py"
