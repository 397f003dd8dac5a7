DRAWN_PARTS = ("slide", "info", "labels", "seams", "account")


def drawn_files(sample):
    """Files beside the AnnData that the report draws from."""
    names = parts_of(sample)
    return {part: of(sample, names[part]) for part in DRAWN_PARTS if part in names}


def report_row(sample):
    """A sample of the report: its row of the sheet and its files, None where it has none."""
    files = dict.fromkeys(DRAWN_PARTS) | drawn_files(sample)
    row = sheet_row(sample, ("condition", "unit"))
    return {"row": row, "anndata": of(sample, f"{sample}.h5ad")} | files


rule report:
    """Write the report of the cohort."""
    input:
        samples=each("{sample}.h5ad", SAMPLES),
        parts=[path for sample in SAMPLES for path in drawn_files(sample).values()],
        divergence=f"{COHORT}/divergence.parquet",
        comparison=f"{COHORT}/comparison.parquet",
        autocorrelation=f"{COHORT}/autocorrelation.parquet",
    output:
        report=report(
            f"{COHORT}/report.html", caption="../report/report.rst", category="Cohort"
        ),
    log:
        f"{RESULTS}/logs/cohort/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/cohort/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=stage_settings("report"),
        files=[report_row(sample) for sample in SAMPLES],
        config={key: CONFIG[key] for key in CONFIG if key != "preview"},
        code=code_of("report"),
        templates=provenance.files_hash(
            sorted(SOURCE.glob("vitrail/report/templates/*"))
        ),
    script:
        "../../scripts/report.py"
