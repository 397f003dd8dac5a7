rule score:
    """Score one segmenter on a table of images and labels."""
    input:
        unpack(scored_inputs),
    output:
        scores=f"{EVALUATION}/{{segmenter}}.json",
    log:
        f"{RESULTS}/logs/score-{{segmenter}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score-{{segmenter}}.tsv"
    wildcard_constraints:
        segmenter="|".join(map(re.escape, CONFIG["evaluate"]["segmenters"])),
    conda:
        lambda wildcards: str(
            ROOT
            / f"envs/{segmentation.environment(evaluated(wildcards.segmenter))}.yaml"
        )
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        settings={
            key: value
            for key, value in stage_settings("evaluate").items()
            if key != "segmenters"
        },
        segment=lambda wildcards: evaluated(wildcards.segmenter),
        weights=lambda wildcards: segmentation.shipped_weights(
            evaluated(wildcards.segmenter)
        ),
        code=code_of("score"),
    script:
        "../../scripts/score.py"
