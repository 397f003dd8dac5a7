SLIDE_PARTS = {
    "slide": "slide.zarr",
    "info": "slide.json",
    "labels": "segmentation/labels.zarr",
    "outlines": "segmentation/cells.parquet",
    "nuclei": "segmentation/nuclei.parquet",
    "seams": "segmentation/seams.json",
}
TRANSCRIPT_PARTS = {"transcripts": "transcripts.zarr", "account": "assignment.json"}
CELL_PARTS = {
    "cells": "annotated.h5ad",
    "graph": "graph.npz",
    "autocorrelation": "autocorrelation.parquet",
    "portraits": "portraits.npz",
}


def parts(wildcards):
    """All that a sample has, each file by the name that the script knows it by."""
    return {
        key: of(wildcards.sample, name)
        for key, name in parts_of(wildcards.sample).items()
    }


def parts_of(sample):
    names = dict(CELL_PARTS)
    if not is_table(sample):
        names |= SLIDE_PARTS
    if has_transcripts(sample):
        names |= TRANSCRIPT_PARTS
    return names


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
        mem_mb=memory(2000),
    params:
        settings=settings_of("assemble"),
        code=code_of("assemble"),
    script:
        "../../scripts/assemble.py"
