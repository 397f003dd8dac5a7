rule preview:
    """Draw the cells' outlines over the image."""
    input:
        slide=f"{RESULTS}/{{sample}}/slide.zarr",
        info=f"{RESULTS}/{{sample}}/slide.json",
        labels=f"{RESULTS}/{{sample}}/segmentation/labels.zarr",
        cells=f"{RESULTS}/{{sample}}/segmentation/cells.parquet",
    output:
        picture=f"{RESULTS}/{{sample}}/preview.png",
    log:
        log_of("preview"),
    benchmark:
        benchmark_of("preview")
    conda:
        "../../envs/preview.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500),
        runtime=minutes(10),
    params:
        settings=settings_of("preview"),
        code=code_of("preview"),
    script:
        "../../scripts/preview.py"
