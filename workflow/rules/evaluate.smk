rule evaluate:
    """Compare the scores of all segmenters."""
    input:
        scores=expand(
            f"{EVALUATION}/{{segmenter}}.json",
            segmenter=CONFIG["evaluate"]["segmenters"],
        ),
    output:
        scores=f"{EVALUATION}/scores.tsv",
        images=f"{EVALUATION}/images.tsv",
        curves=f"{EVALUATION}/curves.svg",
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        names=list(CONFIG["evaluate"]["segmenters"]),
        code=code_of("evaluate"),
    script:
        "../../scripts/evaluate.py"
