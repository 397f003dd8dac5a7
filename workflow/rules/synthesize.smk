rule synthesize:
    """Make one slide of the demo, with its planted truth."""
    input:
        spec=located(CONFIG["synthesize"]["spec"]),
    output:
        image=f"{SYNTHETIC}/{{slide}}/image.ome.tif",
        transcripts=f"{SYNTHETIC}/{{slide}}/transcripts.parquet",
        labels=f"{SYNTHETIC}/{{slide}}/labels.tif",
        nuclei=f"{SYNTHETIC}/{{slide}}/nuclei.tif",
        cells=f"{SYNTHETIC}/{{slide}}/cells.parquet",
        genes=f"{SYNTHETIC}/{{slide}}/genes.parquet",
        truth=f"{SYNTHETIC}/{{slide}}/truth.parquet",
    log:
        f"{RESULTS}/logs/synthetic/{{slide}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthetic/{{slide}}.tsv"
    conda:
        "../../envs/synthesize.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        code=code_of("synthesize"),
    script:
        "../../scripts/synthesize.py"
