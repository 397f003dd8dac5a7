rule table:
    """Bring a table of annotated cells into the form of a count matrix."""
    input:
        table=raw_table,
    output:
        counts=f"{RESULTS}/{{sample,{one_of(TABLES)}}}/counts.h5ad",
    log:
        log_of("table"),
    benchmark:
        benchmark_of("table")
    conda:
        "../../envs/table.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000, 0.5),
        runtime=minutes(10, 0.01),
    params:
        settings=settings_of("table"),
        sample=lambda wildcards: sheet_row(wildcards.sample, TABLE_COLUMNS),
        format=lambda wildcards: format_of(wildcards.sample),
        code=code_of("table"),
    script:
        "../../scripts/table.py"
