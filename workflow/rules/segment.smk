rule segment:
    """Find the cells in the tiles of one shard."""
    input:
        unpack(segmentable),
        slide=f"{RESULTS}/{{sample}}/slide.zarr",
        info=f"{RESULTS}/{{sample}}/slide.json",
        tiles=f"{RESULTS}/{{sample}}/tiles.parquet",
        normalization=f"{RESULTS}/{{sample}}/normalization.json",
    output:
        candidates=f"{RESULTS}/{{sample}}/segmentation/shards/{{shard}}-of-{{shards}}.npz",
    log:
        f"{RESULTS}/logs/{{sample}}/segment-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/segment-{{shard}}-of-{{shards}}.tsv"
    conda:
        segmenter_environment
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(20, 0.05),
    params:
        settings=segmenter_settings,
        weights=shipped_weights,
        code=code_of("segment"),
    script:
        "../../scripts/segment.py"
