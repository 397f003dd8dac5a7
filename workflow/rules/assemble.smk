rule assemble:
    """Put all of a sample into one AnnData and one SpatialData."""
    input:
        unpack(parts),
    output:
        anndata=f"{RESULTS}/{{sample}}/{{sample}}.h5ad",
        spatialdata=directory(f"{RESULTS}/{{sample}}/{{sample}}.zarr"),
    log:
        log_of("assemble"),
    benchmark:
        benchmark_of("assemble")
    conda:
        "../../envs/assemble.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 0.3),
        runtime=minutes(15, 0.01),
    params:
        settings=settings_of("assemble"),
        code=code_of("assemble"),
    script:
        "../../scripts/assemble.py"
