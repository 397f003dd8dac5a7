rule enrichment:
    """Count which cell types stand beside each other."""
    input:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
        graph=f"{RESULTS}/{{sample}}/graph.npz",
    output:
        enrichment=f"{RESULTS}/{{sample}}/enrichment.parquet",
    log:
        log_of("enrichment"),
    benchmark:
        benchmark_of("enrichment")
    conda:
        "../../envs/enrichment.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, 0.1),
        runtime=minutes(10, 0.01),
    params:
        settings=settings_of("enrichment"),
        code=code_of("enrichment"),
    script:
        "../../scripts/enrichment.py"
