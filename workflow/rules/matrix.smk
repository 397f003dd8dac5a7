def segmented(wildcards):
    """Files that the count matrix is made from; without transcripts it holds intensities."""
    names = {
        "slide": "slide.zarr",
        "info": "slide.json",
        "labels": "segmentation/labels.zarr",
        "cells": "segmentation/cells.parquet",
        "nuclei": "segmentation/nuclei.parquet",
    }
    if has_transcripts(wildcards.sample):
        names |= {"transcripts": "transcripts.zarr", "account": "assignment.json"}
    return {key: of(wildcards.sample, name) for key, name in names.items()}


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
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=settings_of("matrix"),
        code=code_of("matrix"),
    script:
        "../../scripts/matrix.py"
