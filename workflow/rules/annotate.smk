rule annotate:
    """Flag cells by quality, normalise, cluster, name cell types."""
    input:
        unpack(countable),
    output:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
    log:
        log_of("annotate"),
    benchmark:
        benchmark_of("annotate")
    conda:
        "../../envs/annotate.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.4),
        runtime=minutes(15, 0.02),
    params:
        settings=settings_of("annotate"),
        code=code_of("annotate"),
    script:
        "../../scripts/annotate.py"
