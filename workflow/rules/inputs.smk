"""Which files and which part of the sheet each stage reads, by what a sample has."""

SLIDE_COLUMNS = (
    "format",
    "folder",
    "described_by",
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


def located(path):
    """A file that the sheet or the config names: at its URL, or on this machine.

    Where the results are kept in a storage (`--default-storage-provider`), Snakemake would look
    there for every file; what the user names without a URL is on this machine.
    """
    if "://" in path:
        return storage(path)
    if workflow.storage_settings.default_storage_provider is None or is_made(path):
        return path
    return local(path)


def raw_files(wildcards):
    """The files that the sheet names; of a folder, those in it, whose changes Snakemake sees."""
    sample = wildcards.sample
    named = readers.input_files(SAMPLES[sample], format_of(sample))
    return {column: [located(path) for path in named[column]] for column in named}


# Input from which on the decoding of an image is worth more than one thread.
LARGE_BYTES = 256 << 20


def decoding_threads(wildcards, input):
    """Threads of stage ingest: the bits are the same, small slides run beside each other."""
    there = [Path(file) for file in input if Path(file).is_file()]
    return 4 if sum(file.stat().st_size for file in there) > LARGE_BYTES else 1


# Transcripts from which on their assignment is worth more than one thread.
MANY_TRANSCRIPTS = 5_000_000


def counting_threads(wildcards, input):
    """Threads of stages assign and matrix: the bits are the same, as in `decoding_threads`."""
    info = Path(input.info)
    if not info.is_file():
        return 1
    transcripts = json.loads(info.read_text(encoding="utf-8")).get("transcripts", {})
    return 4 if transcripts.get("rows", 0) > MANY_TRANSCRIPTS else 1


TABLE_COLUMNS = (
    "format",
    "folder",
    "described_by",
    "table",
    "table_filter",
    "pixel_size",
)


def segmented(wildcards):
    """Files that the count matrix is made from; without transcripts it holds intensities."""
    names = {
        "slide": "slide.zarr",
        "info": "slide.json",
        "labels": "segmentation/labels.zarr",
        "cells": "segmentation/cells.parquet",
        "nuclei": "segmentation/nuclei.parquet",
    }
    if has_transcripts(wildcards.sample):
        names |= {"transcripts": "transcripts.zarr", "account": "assignment.json"}
    return {key: of(wildcards.sample, name) for key, name in names.items()}


def countable(wildcards):
    """The count matrix, and the marker list where the config names one."""
    files = {"counts": of(wildcards.sample, "counts.h5ad")}
    markers = stage_settings("annotate", wildcards.sample).get("markers")
    return files | ({"markers": located(markers)} if markers else {})


SLIDE_PARTS = {
    "slide": "slide.zarr",
    "info": "slide.json",
    "labels": "segmentation/labels.zarr",
    "outlines": "segmentation/cells.parquet",
    "nuclei": "segmentation/nuclei.parquet",
    "seams": "segmentation/seams.json",
}
TRANSCRIPT_PARTS = {"transcripts": "transcripts.zarr", "account": "assignment.json"}
TOPOGRAPHY_PARTS = {"topography": "topography.parquet", "borders": "topography.npz"}
GENE_PARTS = {
    "autocorrelation": "autocorrelation.parquet",
    "autocorrelation_pairs": "autocorrelation_pairs.parquet",
    "autocorrelation_local": "autocorrelation_local.parquet",
}
CELL_PARTS = {
    "cells": "annotated.h5ad",
    "graph": "graph.npz",
    "enrichment": "enrichment.parquet",
    "portraits": "portraits.npz",
}


def parts(wildcards):
    """All that a sample has, each file by the name that the script knows it by."""
    return {
        key: of(wildcards.sample, name)
        for key, name in parts_of(wildcards.sample).items()
    }


def parts_of(sample):
    names = dict(CELL_PARTS)
    if not is_table(sample):
        names |= SLIDE_PARTS
    if has_transcripts(sample):
        names |= TRANSCRIPT_PARTS
    if has_genes(sample):
        names |= GENE_PARTS
    if has_topography(sample):
        names |= TOPOGRAPHY_PARTS
    return names


DRAWN_PARTS = ("slide", "info", "labels", "seams", "account")


def drawn_parts(sample):
    """What the report draws a sample from, beside its AnnData."""
    names = parts_of(sample)
    return [part for part in DRAWN_PARTS if part in names]


def drawn_files(wildcards):
    """Files that the report draws from, by what they are, in the order of the samples."""
    return {
        part: [
            of(sample, parts_of(sample)[part])
            for sample in SAMPLES
            if part in drawn_parts(sample)
        ]
        for part in DRAWN_PARTS
    }


def report_row(sample):
    """A sample of the report: its row of the sheet, and which files it has."""
    return {
        "row": sheet_row(sample, ("condition", "unit")),
        "parts": drawn_parts(sample),
    }


def reported_config():
    """The config as the report prints it: without what changes no result."""
    unreported = (
        "results",
        "cohort_name",
        "container",
        "preview",
        "stop_after_runtime",
    )
    sections = {
        name: section for name, section in CONFIG.items() if name not in unreported
    }
    return sections | {"tile": provenance.record("tile", CONFIG["tile"])["settings"]}


EXPLORER_PARTS = ("slide", "info", "outlines", "nuclei", "transcripts")


def explored(wildcards):
    """What the folder for Xenium Explorer is made from."""
    sample = wildcards.sample
    names = parts_of(sample)
    files = {part: of(sample, names[part]) for part in EXPLORER_PARTS if part in names}
    return files | {"cells": of(sample, f"{sample}.h5ad")}


def outlined(wildcards):
    """The cells, and the tumour's outlines where the config or the sheet names a file."""
    files = {"cells": of(wildcards.sample, "annotated.h5ad")}
    outlines = stage_settings("topography", wildcards.sample)["outlines"]
    return files | ({"outlines": located(outlines)} if outlines else {})


def charted():
    """Samples with a topography."""
    return [sample for sample in SAMPLES if has_topography(sample)]
