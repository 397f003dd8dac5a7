"""What a second run does after one thing has changed: these jobs, and no others."""

import os
import re
import shutil

import pytest
import yaml

SAMPLES = ("A", "B")
COHORT = ("cohort", "compare", "report")
CHAIN = {
    "ingest": "tile",
    "tile": "prepare",
    "prepare": "segment",
    "segment": "stitch",
    "stitch": "assign",
    "assign": "matrix",
    "matrix": "annotate",
    "annotate": "graph topography",
    "graph": "autocorrelation enrichment portrait",
}


def from_stage(stage, samples=SAMPLES):
    """Jobs of a stage and of all that lies downstream of it."""
    if stage in COHORT:
        return {stage, "report"}
    stages = set()
    waiting = [stage]
    while waiting:
        current = waiting.pop()
        stages.add(current)
        waiting += CHAIN.get(current, "").split()
    jobs = {f"{stage} {sample}" for stage in stages | {"assemble"} for sample in samples}
    compared = {"cohort", "report"} | ({"compare"} & needed_by_compare(stages))
    return jobs | compared


def needed_by_compare(stages):
    return {"compare"} if stages & {"annotate", "graph", "portrait"} else set()


@pytest.fixture
def deployment(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def test_nothing_changed_nothing_runs(deployment):
    assert deployment.planned() == set()
    assert "Nothing to be done" in deployment.run()


CONFIG_KEYS = [
    ("ingest.chunk", 512, "ingest"),
    ("formats.generic.transcripts.no_cell", ["none"], "ingest"),
    ("tile.size_px", 200, "tile"),
    ("segment.flows.flow_error", 0.5, "prepare"),
    ("segment.channels.cytoplasm", "polyT", "prepare"),
    ("stitch.overlap", "score", "stitch"),
    ("assign.min_quality", 25, "assign"),
    ("matrix.ambient.guard_um", 4, "matrix"),
    ("matrix.layers", ["outside"], "matrix"),
    ("assign.boundaries", "pixels", "assign"),
    ("assign.overlap", "drop", "assign"),
    ("annotate.quality.min_counts", 12, "annotate"),
    ("annotate.spillover.min_counts", 3, "annotate"),
    ("annotate.seed", 5, "annotate"),
    ("graph.k", 8, "graph"),
    ("autocorrelation.permutations", 19, "autocorrelation"),
    ("enrichment.distances_um", [20], "enrichment"),
    ("portrait.windows", 6, "portrait"),
    ("topography.margin_um", 300, "topography"),
    ("topography.excluded_ratio", 5, "topography"),
    ("assemble.circle_radius", 4.0, "assemble"),
    ("compare.permutations", 99, "compare"),
    ("cohort.genes", "outer", "cohort"),
    ("cohort.high_density", 50, "cohort"),
    ("cohort.bootstraps", 99, "cohort"),
    ("report.title", "Another title", "report"),
]


@pytest.mark.parametrize(("key", "value", "stage"), CONFIG_KEYS)
def test_a_config_key_reruns_its_stage_and_what_lies_downstream(deployment, key, value, stage):
    deployment.set(key, value)
    assert deployment.planned() == from_stage(stage)


def test_the_seed_reruns_the_stages_that_draw(deployment):
    deployment.set("seed", 99)
    assert deployment.planned() == from_stage("annotate")


def test_a_key_for_one_sample_reruns_that_sample(deployment):
    sheet = deployment.folder / "config/samples.tsv"
    header, first, second = sheet.read_text().splitlines()
    sheet.write_text(f"{header}\tgraph.k\n{first}\t\n{second}\t9\n")
    assert deployment.planned() == from_stage("graph", ["B"])


def test_the_shard_count_reruns_from_the_tiles(deployment):
    deployment.set("tile.shards", 3)
    assert deployment.planned() == from_stage("tile")


def test_the_condition_reruns_the_cohort_alone(deployment):
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text(sheet.read_text().replace("excluded", "control"))
    assert deployment.planned() == set(COHORT)


def test_an_added_sample_reruns_itself_and_the_cohort(deployment):
    sheet = deployment.folder / "config/samples.tsv"
    added = sheet.read_text().splitlines()[1].replace("A\t", "C\t", 1)
    sheet.write_text(sheet.read_text() + added + "\n")
    assert deployment.planned() == from_stage("ingest", ["C"])


def test_a_removed_sample_reruns_the_cohort_alone(deployment):
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text("\n".join(sheet.read_text().splitlines()[:2]) + "\n")
    assert deployment.planned() == set(COHORT)


@pytest.mark.parametrize(
    ("module", "stage"),
    [
        ("synthesize/spec.py", None),
        ("ingest.py", "ingest"),
        ("segmentation/flows.py", "prepare"),
        ("assign/stream.py", "assign"),
        ("graph/kdtree.py", "graph"),
        ("autocorrelation/moments.py", "autocorrelation"),
        ("compare/permanova.py", "compare"),
    ],
)
def test_an_edited_module_reruns_the_stages_that_import_it(deployment, module, stage):
    deployment.own_code()
    assert deployment.planned() == set()
    path = deployment.folder / "src/vitrail" / module
    path.write_text(path.read_text() + "\n\nADDED = 1\n")
    if stage is None:
        assert {job for job in deployment.planned() if job.startswith("synthesize")} == {
            "synthesize P1",
            "synthesize P2",
        }
    else:
        planned = deployment.planned()
        assert from_stage(stage) <= planned
        assert not any(job.startswith(("synthesize", "tile")) for job in planned) or stage in (
            "ingest",
            "tile",
        )


def test_a_comment_in_a_module_reruns_nothing(deployment):
    deployment.own_code()
    path = deployment.folder / "src/vitrail/graph/kdtree.py"
    path.write_text(path.read_text() + "\n# A remark.\n")
    assert deployment.planned() == set()


def test_an_edited_script_reruns_its_stage(deployment):
    deployment.own_code()
    with open(deployment.folder / "scripts/graph.py", "a") as file:
        file.write("\n# Snakemake compares scripts as text.\n")
    assert deployment.planned() == from_stage("graph")


def test_a_touched_input_of_the_same_content_reruns_nothing(deployment):
    path = deployment.folder / "config/demo/markers.yaml"
    os.utime(path)
    assert deployment.planned() == set()


def test_an_edited_input_reruns_the_stages_that_read_it(deployment):
    path = deployment.folder / "config/demo/markers.yaml"
    markers = yaml.safe_load(path.read_text())
    markers.popitem()
    path.write_text(yaml.safe_dump(markers))
    assert deployment.planned() == from_stage("annotate")


def test_a_deleted_result_is_made_again_when_it_is_asked_for(deployment):
    (deployment.folder / "results/A/graph.npz").unlink()
    assert deployment.planned() == set()
    assert deployment.planned("graph") == {"graph A"}
    (deployment.folder / "results/A/A.h5ad").unlink()
    assert deployment.planned() == from_stage("graph", ["A"])


def test_a_moved_folder_reruns_nothing(deployment, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.move(deployment.folder, moved)
    deployment.folder = moved
    assert deployment.planned() == set()


# What a Snakemake user expects of the command line.


def test_the_name_of_a_stage_is_a_target_for_all_samples(deployment):
    shutil.rmtree(deployment.folder / "results/A")
    shutil.rmtree(deployment.folder / "results/B")
    stages = ("ingest", "tile", "prepare", "segment", "stitch")
    wanted = {f"{stage} {sample}" for stage in stages for sample in SAMPLES}
    assert deployment.planned("stitch") == wanted
    assert deployment.planned("preview") == wanted | {"preview A", "preview B"}


def test_a_file_is_a_target(deployment):
    shutil.rmtree(deployment.folder / "results/A")
    assert deployment.planned("results/A/tiles.parquet") == {"ingest A", "tile A"}


def test_forcerun_and_until(deployment):
    assert deployment.planned("--forcerun", "graph") == from_stage("graph")
    shutil.rmtree(deployment.folder / "results/A")
    shutil.rmtree(deployment.folder / "results/B")
    assert deployment.planned("--until", "tile") == {
        f"{stage} {sample}" for stage in ("ingest", "tile") for sample in SAMPLES
    }


def test_a_dry_run_touches_nothing(deployment):
    def state():
        return sorted(
            (str(path), path.stat().st_mtime_ns)
            for path in deployment.folder.rglob("*")
            if path.is_file() and "/.snakemake/log/" not in str(path)
        )

    deployment.set("graph.k", 5)
    before = state()
    deployment.planned()
    assert [entry for entry in state() if not re.search(r"\.snakemake/", entry[0])] == [
        entry for entry in before if not re.search(r"\.snakemake/", entry[0])
    ]
