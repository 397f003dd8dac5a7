rule prepare:
    """Measure what the segmenter needs to be the same in all tiles of a slide."""
    input:
        unpack(weighed),
        slide=f"{RESULTS}/{{sample}}/slide.zarr",
        info=f"{RESULTS}/{{sample}}/slide.json",
        normalization=f"{RESULTS}/{{sample}}/normalization.json",
    output:
        prepared=f"{RESULTS}/{{sample}}/prepared.json",
    log:
        log_of("prepare"),
    benchmark:
        benchmark_of("prepare")
    conda:
        segmenter_environment
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(15, 0.02),
    params:
        settings=segmenter_settings,
        weights=shipped_weights,
        code=code_of("prepare"),
    script:
        "../../scripts/prepare.py"
