rule portrait:
    """Take the portraits of the tissue, its cell types and its windows."""
    input:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
        graph=f"{RESULTS}/{{sample}}/graph.npz",
    output:
        portraits=f"{RESULTS}/{{sample}}/portraits.npz",
    log:
        log_of("portrait"),
    benchmark:
        benchmark_of("portrait")
    conda:
        "../../envs/portrait.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 0.2),
        runtime=minutes(15, 0.02),
    params:
        settings=settings_of("portrait"),
        code=code_of("portrait"),
    script:
        "../../scripts/portrait.py"
