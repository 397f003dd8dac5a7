rule tile:
    """Divide a slide into tiles and shards, and measure what holds for all of it."""
    input:
        slide=f"{RESULTS}/{{sample}}/slide.zarr",
        info=f"{RESULTS}/{{sample}}/slide.json",
    output:
        tiles=f"{RESULTS}/{{sample}}/tiles.parquet",
        normalization=f"{RESULTS}/{{sample}}/normalization.json",
    log:
        log_of("tile"),
    benchmark:
        benchmark_of("tile")
    conda:
        "../../envs/tile.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10, 0.005),
    params:
        settings=settings_of("tile"),
        code=code_of("tile"),
    script:
        "../../scripts/tile.py"
