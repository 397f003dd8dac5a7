SLIDE_COLUMNS = (
    "format",
    "image",
    "transcripts",
    "labels",
    "nucleus_labels",
    "boundaries",
    "nucleus_boundaries",
    "pixel_size",
    "z",
    "region",
)


def raw_files(wildcards):
    """The files that the sheet names; of a folder, those in it, whose changes Snakemake sees."""
    return readers.input_files(SAMPLES[wildcards.sample], format_of(wildcards.sample))


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
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=settings_of("ingest"),
        sample=lambda wildcards: sheet_row(wildcards.sample, SLIDE_COLUMNS),
        format=lambda wildcards: format_of(wildcards.sample),
        code=code_of("ingest"),
    script:
        "../../scripts/ingest.py"
