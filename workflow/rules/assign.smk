rule assign:
    """Give each transcript its cell, or the reason why it has none."""
    input:
        slide=f"{RESULTS}/{{sample}}/slide.zarr",
        info=f"{RESULTS}/{{sample}}/slide.json",
        labels=f"{RESULTS}/{{sample}}/segmentation/labels.zarr",
        cells=f"{RESULTS}/{{sample}}/segmentation/cells.parquet",
        nuclei=f"{RESULTS}/{{sample}}/segmentation/nuclei.parquet",
    output:
        transcripts=directory(f"{RESULTS}/{{sample}}/transcripts.zarr"),
        account=f"{RESULTS}/{{sample}}/assignment.json",
    log:
        log_of("assign"),
    benchmark:
        benchmark_of("assign")
    conda:
        "../../envs/assign.yaml"
    threads: counting_threads
    resources:
        mem_mb=memory(1500),
        runtime=minutes(15, 0.01),
    params:
        settings=settings_of("assign"),
        code=code_of("assign"),
    script:
        "../../scripts/assign.py"
