rule ingest:
    """Bring a sample's raw files into one SpatialData store."""
    input:
        unpack(raw_files),
    output:
        slide=directory(f"{RESULTS}/{{sample,{one_of(SLIDES)}}}/slide.zarr"),
        info=f"{RESULTS}/{{sample}}/slide.json",
    log:
        log_of("ingest"),
    benchmark:
        benchmark_of("ingest")
    conda:
        "../../envs/ingest.yaml"
    threads: decoding_threads
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20, 0.01),
    params:
        settings=settings_of("ingest"),
        sample=lambda wildcards: sheet_row(wildcards.sample, SLIDE_COLUMNS),
        format=lambda wildcards: format_of(wildcards.sample),
        code=code_of("ingest"),
    script:
        "../../scripts/ingest.py"
