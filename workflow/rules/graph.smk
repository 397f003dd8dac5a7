rule graph:
    """Connect neighbouring cells."""
    input:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
    output:
        graph=f"{RESULTS}/{{sample}}/graph.npz",
    log:
        log_of("graph"),
    benchmark:
        benchmark_of("graph")
    conda:
        "../../envs/graph.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, 0.1),
        runtime=minutes(10, 0.005),
    params:
        settings=settings_of("graph"),
        code=code_of("graph"),
    script:
        "../../scripts/graph.py"
