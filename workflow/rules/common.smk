"""What all rules share: the library, the config, the sheet, and what each sample has."""

import functools
import json
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

# `workflow.basedir` would be the host's folder when vitrail is a module of another workflow.
ROOT = Path(str(workflow.current_basedir)).parents[1].resolve()
SOURCE = ROOT / "src"
sys.path.insert(0, str(SOURCE))

from vitrail import (
    code_hash,
    provenance,
    readers,
    segmentation,
    settings,
    sheet,
    slurm,
    warm,
)
from vitrail import workflow as support
from vitrail.errors import VitrailError

# Stages of one sample, whose settings a column of the sheet may set for that sample.
SAMPLE_STAGES = (
    "ingest",
    "table",
    "tile",
    "segment",
    "stitch",
    "preview",
    "assign",
    "matrix",
    "annotate",
    "graph",
    "autocorrelation",
    "enrichment",
    "portrait",
    "topography",
    "assemble",
    "explorer",
)


def load_yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_inputs():
    """Config with defaults and the sheet's rows; bad input ends the run with one sentence."""
    schema = load_yaml(ROOT / "workflow/schemas/config.schema.yaml")
    complete = settings.merge(load_yaml(ROOT / "config/config.yaml"), config)
    complete = settings.typed(complete, schema)
    settings.validate(complete, schema)
    rows = sheet.read_sheet(complete["samples"], SAMPLE_STAGES)
    sheet.check_cohort_name(complete["cohort_name"], rows)
    sheet.check_files(rows, complete["samples"], synthetic_folder(complete))
    settings.check_overrides(complete, rows, schema, complete["samples"])
    # A vendor's folder is resolved into its files, so that all else sees a row that names them.
    rows = [
        readers.check(row, complete["formats"], complete["samples"]) for row in rows
    ]
    for row in rows:
        if not row["table"]:
            chosen = settings.stage_settings(complete, "segment", row)
            segmentation.check(chosen, packages=not own_environments())
    return complete, {row["sample"]: row for row in rows}


def own_environments():
    """Whether each stage runs in a conda environment of its own."""
    methods = getattr(workflow.deployment_settings, "deployment_method", ())
    return any(str(method).lower().endswith("conda") for method in methods)


def synthetic_folder(complete):
    return f"{complete['results']}/synthetic"


try:
    CONFIG, SAMPLES = load_inputs()
except VitrailError as error:
    raise WorkflowError(str(error)) from None

RESULTS = CONFIG["results"].rstrip("/")
SYNTHETIC = synthetic_folder(CONFIG)
COHORT = f"{RESULTS}/{CONFIG['cohort_name']}"
TRAINING = f"{RESULTS}/training/{CONFIG['train']['name']}"
EVALUATION = f"{RESULTS}/evaluation"


def serve_warm_interpreter():
    """It runs jobs in this environment, which is not theirs where the rules bring their own."""
    deployed = workflow.deployment_settings
    if deployed is None or not deployed.deployment_method:
        warm.serve_workflow()


support.share_source(SOURCE)
support.announce()
support.keep_locks_of_others()
support.stop_after_runtime(CONFIG["stop_after_runtime"])
warm.forget()
if workflow.remote_exec and slurm.runs_several_jobs(sys.argv):
    serve_warm_interpreter()
if workflow.is_main_process and support.take_over(Path(".snakemake")):
    logger.info(
        "Removed the locks that a killed run had left in this working directory."
    )


onstart:
    support.claim(Path(".snakemake"))
    serve_warm_interpreter()


wildcard_constraints:
    sample="|".join(map(re.escape, SAMPLES)),
    slide=sheet.SAMPLE_NAME.pattern,
    shard=r"\d+",
    shards=r"\d+",


# What a sample has decides which stages it passes.


def has(sample, *columns):
    return any(SAMPLES[sample][column] for column in columns)


def is_table(sample):
    return has(sample, "table")


SLIDES = [sample for sample in SAMPLES if not is_table(sample)]
TABLES = [sample for sample in SAMPLES if is_table(sample)]


def one_of(samples):
    """Wildcard pattern of some samples; one that no name matches where there are none.

    Without a question mark, after which a storage's URL would end.
    """
    return "|".join(map(re.escape, samples)) or "-"


def shards(sample):
    return stage_settings("tile", sample)["shards"]


# Paths of a sample's files.


def of(sample, name):
    return f"{RESULTS}/{sample}/{name}"


def each(name, samples):
    return [of(sample, name.format(sample=sample)) for sample in samples]


def log_of(stage):
    return f"{RESULTS}/logs/{{sample}}/{stage}.log"


def benchmark_of(stage):
    return f"{RESULTS}/benchmarks/{{sample}}/{stage}.tsv"


def cohort_log(stage):
    return f"{RESULTS}/logs/{CONFIG['cohort_name']}/{stage}.log"


def cohort_benchmark(stage):
    return f"{RESULTS}/benchmarks/{CONFIG['cohort_name']}/{stage}.tsv"


# What a rule passes on to its script, and what makes its results stale.


@functools.cache
def stage_settings(stage, sample=None):
    return settings.stage_settings(CONFIG, stage, SAMPLES.get(sample))


def settings_of(stage):
    return lambda wildcards: stage_settings(stage, wildcards.sample)


def code_of(stage):
    return CODE[stage]


def hash_code():
    scripts = (ROOT / "scripts").glob("*.py")
    hashes = code_hash.CodeHashes(SOURCE, Path(".snakemake/vitrail-code.json"))
    found = {path.stem: hashes.of(path) for path in scripts}
    hashes.remember()
    return found


CODE = support.shared_hashes(ROOT, workflow.is_main_process, hash_code)


def sheet_row(sample, columns):
    row = SAMPLES[sample]
    return {column: row[column] for column in ("sample", *columns)}


def format_of(sample):
    return readers.format_settings(CONFIG["formats"], SAMPLES[sample]["format"])


def cohort_rows():
    return [sheet_row(sample, ("condition", "unit")) for sample in SAMPLES]


# What a job asks for: a base, and something for each megabyte of the raw files that it goes back to,
# which are known before the run. A job that was killed for it asks for twice as much.


def memory(base, growth=0.0):
    """Megabytes of memory of a job."""
    return lambda wildcards, attempt: estimated(base, growth, wildcards, attempt)


def minutes(base, growth=0.0):
    """Minutes that a job may take."""
    return lambda wildcards, attempt: estimated(base, growth, wildcards, attempt)


def estimated(base, growth, wildcards, attempt):
    sample = getattr(wildcards, "sample", None)
    raw = sum(RAW_MEGABYTES[name] for name in ([sample] if sample else SAMPLES))
    return round((base + growth * raw) * 2 ** (attempt - 1))


RAW_MEGABYTES = {sample: sheet.raw_megabytes(row) for sample, row in SAMPLES.items()}


# Files of each stage, over all samples that pass it.

STAGES = {
    "synthesize": lambda: synthetic_files(),
    "ingest": lambda: each("slide.zarr", SLIDES),
    "table": lambda: each("counts.h5ad", TABLES),
    "tile": lambda: each("tiles.parquet", SLIDES),
    "prepare": lambda: each("prepared.json", filter(is_prepared, SLIDES)),
    "segment": lambda: [path for sample in SLIDES for path in candidate_files(sample)],
    "stitch": lambda: each("segmentation/labels.zarr", SLIDES),
    "preview": lambda: each("preview.png", SLIDES),
    "assign": lambda: each("transcripts.zarr", filter(has_transcripts, SLIDES)),
    "matrix": lambda: each("counts.h5ad", SLIDES),
    "annotate": lambda: each("annotated.h5ad", SAMPLES),
    "graph": lambda: each("graph.npz", SAMPLES),
    "autocorrelation": lambda: each(
        "autocorrelation.parquet", filter(has_genes, SAMPLES)
    ),
    "enrichment": lambda: each("enrichment.parquet", SAMPLES),
    "portrait": lambda: each("portraits.npz", SAMPLES),
    "topography": lambda: each("topography.parquet", filter(has_topography, SAMPLES)),
    "assemble": lambda: each("{sample}.h5ad", SAMPLES),
    "explorer": lambda: each("explorer", SLIDES),
    "cohort": lambda: [f"{COHORT}/cohort.h5ad"],
    "compare": lambda: [f"{COHORT}/comparison.parquet"],
    "report": lambda: [f"{COHORT}/report.html"],
    "train": lambda: [f"{TRAINING}.pt"],
    "evaluate": lambda: [f"{EVALUATION}/scores.tsv"],
}


def has_transcripts(sample):
    return has(sample, "transcripts")


def has_genes(sample):
    """Whether a sample may have genes: of the tables, only HDF5 holds counts."""
    if not is_table(sample):
        return True
    counts = format_of(sample).get("table", {}).get("counts")
    return bool(counts) and str(SAMPLES[sample]["table"][0]).endswith((".h5ad", ".h5"))


def has_topography(sample):
    """Whether the config or the sheet says what a tumour is in this sample."""
    asked = stage_settings("topography", sample)
    return bool(asked["tumour_types"] or asked["outlines"])


def has_explorer(sample):
    """Whether the folder for Xenium Explorer is made with all other results."""
    return stage_settings("explorer", sample)["write"]


def candidate_files(sample):
    count = shards(sample)
    return [
        of(sample, f"segmentation/shards/{shard}-of-{count}.npz")
        for shard in range(count)
    ]


def table_files(section, table):
    """A table of examples, its images and labels, as inputs; one sentence where there is none."""
    from vitrail.io import examples

    if not table:
        raise WorkflowError(
            f"{section}.table is empty; wanted: a table of images and labels (docs/training.md)."
        )
    try:
        rows = examples.read_table(table)
    except VitrailError as error:
        raise WorkflowError(str(error)) from None
    images = [located(row.image) for row in rows]
    labels = [located(row.labels) for row in rows if row.labels]
    return {"table": located(table), "images": images, "labels": labels}


def is_made(path):
    """Whether the workflow makes a file that the sheet names."""
    return sheet.is_inside(path, SYNTHETIC)


def synthetic_files():
    """Files of the demo's slides that the sheet names."""
    named = (
        path
        for row in SAMPLES.values()
        for column in sheet.FILE_COLUMNS
        for path in row[column] or ()
    )
    return sorted({path for path in named if is_made(path)})


def all_results():
    assembled = each("{sample}.h5ad", SAMPLES) + each("{sample}.zarr", SAMPLES)
    assembled += each("explorer", filter(has_explorer, SLIDES))
    cohort = ["cohort.h5ad", "autocorrelation.parquet", "divergence.parquet"]
    cohort += ["comparison.parquet", "topography.parquet", "topography_tests.parquet"]
    cohort += ["report.html"]
    return assembled + [f"{COHORT}/{name}" for name in cohort]


support.accept_stage_targets(workflow, STAGES)
if workflow.is_main_process:
    support.check_results_before(workflow, Path(RESULTS))
support.poll_no_more(workflow)
slurm.adapt(workflow)
