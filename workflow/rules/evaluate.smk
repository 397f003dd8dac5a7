def evaluation_inputs(wildcards):
    """The table and its files."""
    table = CONFIG["evaluate"]["table"]
    return {"table": table} | table_files("evaluate", table)


rule evaluate:
    """Score segmenters on a table of images and labels."""
    input:
        unpack(evaluation_inputs),
    output:
        scores=f"{RESULTS}/evaluation/scores.tsv",
        images=f"{RESULTS}/evaluation/images.tsv",
        curves=f"{RESULTS}/evaluation/curves.svg",
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
    message:
        f"Evaluating segmenters; progress: {RESULTS}/logs/evaluate.log"
    params:
        settings=stage_settings("evaluate"),
        segment=stage_settings("segment"),
        code=code_of("evaluate"),
    script:
        "../../scripts/evaluate.py"
