rule matrix:
    """Count transcripts a cell and measure its shape and intensities."""
    input:
        unpack(segmented),
    output:
        counts=f"{RESULTS}/{{sample,{one_of(SLIDES)}}}/counts.h5ad",
    log:
        log_of("matrix"),
    benchmark:
        benchmark_of("matrix")
    conda:
        "../../envs/matrix.yaml"
    threads: counting_threads
    resources:
        mem_mb=memory(2000, 0.3),
        runtime=minutes(15, 0.01),
    params:
        settings=settings_of("matrix"),
        code=code_of("matrix"),
    script:
        "../../scripts/matrix.py"
