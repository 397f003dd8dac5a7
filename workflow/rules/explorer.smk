rule explorer:
    """Make a folder of a sample that Xenium Explorer opens."""
    input:
        unpack(explored),
    output:
        folder=directory(f"{RESULTS}/{{sample,{one_of(SLIDES)}}}/explorer"),
    log:
        log_of("explorer"),
    benchmark:
        benchmark_of("explorer")
    conda:
        "../../envs/explorer.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20, 0.02),
    params:
        settings=settings_of("explorer"),
        code=code_of("explorer"),
    script:
        "../../scripts/explorer.py"
