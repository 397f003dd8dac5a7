def countable(wildcards):
    """The count matrix, and the marker list where the config names one."""
    files = {"counts": of(wildcards.sample, "counts.h5ad")}
    markers = stage_settings("annotate", wildcards.sample).get("markers")
    return files | ({"markers": markers} if markers else {})


rule annotate:
    """Flag cells by quality, normalise, cluster, name cell types."""
    input:
        unpack(countable),
    output:
        cells=f"{RESULTS}/{{sample}}/annotated.h5ad",
    log:
        log_of("annotate"),
    benchmark:
        benchmark_of("annotate")
    conda:
        "../../envs/annotate.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=settings_of("annotate"),
        code=code_of("annotate"),
    script:
        "../../scripts/annotate.py"
