"""vitrail as a module of another workflow."""

import shutil

from deployment import REPOSITORY, Deployment

HOST = """
configfile: "config.yaml"


module vitrail:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from vitrail as vitrail_*


rule summary:
    input:
        rules.vitrail_all.input,
    default_target: True
"""


def test_the_workflow_is_planned_and_runs_as_a_module(tmp_path):
    (tmp_path / "workflow").mkdir()
    host = HOST.format(snakefile=REPOSITORY / "workflow/Snakefile")
    (tmp_path / "workflow/Snakefile").write_text(host)
    (tmp_path / "config.yaml").write_text("samples: samples.tsv\n")
    (tmp_path / "samples.tsv").write_text("sample\ttable\ncells\tcells.csv\n")
    (tmp_path / "cells.csv").write_text("x,y,cell_type\n1.0,2.0,T\n3.0,4.0,B\n")
    shutil.copytree(REPOSITORY / "config/demo", tmp_path / "config/demo")
    deployment = Deployment(tmp_path)
    stages = ("table", "annotate", "graph", "enrichment", "portrait", "assemble")
    jobs = {f"vitrail_{stage} cells" for stage in stages}
    jobs |= {"vitrail_cohort", "vitrail_compare", "vitrail_report", "summary"}
    assert deployment.planned() == jobs
    deployment.run("results/cells/graph.npz")
    assert (tmp_path / "results/cells/graph.npz").is_file()
