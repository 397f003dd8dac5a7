rule stitch:
    """Join the shards' cells into one segmentation of the slide."""
    input:
        info=f"{RESULTS}/{{sample}}/slide.json",
        tiles=f"{RESULTS}/{{sample}}/tiles.parquet",
        candidates=lambda wildcards: candidate_files(wildcards.sample),
    output:
        labels=directory(f"{RESULTS}/{{sample}}/segmentation/labels.zarr"),
        cells=f"{RESULTS}/{{sample}}/segmentation/cells.parquet",
        nuclei=f"{RESULTS}/{{sample}}/segmentation/nuclei.parquet",
        seams=f"{RESULTS}/{{sample}}/segmentation/seams.json",
    log:
        log_of("stitch"),
    benchmark:
        benchmark_of("stitch")
    conda:
        "../../envs/stitch.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 0.2),
        runtime=minutes(15, 0.01),
    params:
        settings=settings_of("stitch"),
        code=code_of("stitch"),
    script:
        "../../scripts/stitch.py"
