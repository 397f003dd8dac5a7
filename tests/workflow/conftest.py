import fcntl
import json
from pathlib import Path

import pytest
import yaml

from deployment import Deployment

SHEET = """sample\tcondition\tunit\timage\ttranscripts\tpixel_size
A\tinfiltrated\tpatient1\tresults/synthetic/P1/image.ome.tif\tresults/synthetic/P1/transcripts.parquet\t0.5
B\texcluded\tpatient2\tresults/synthetic/P2/image.ome.tif\tresults/synthetic/P2/transcripts.parquet\t0.5
"""


def small(deployment: Deployment) -> Deployment:
    """Shrink the deployed demo to two slides of 400 x 480 pixels in four tiles each."""
    folder = deployment.folder
    spec = yaml.safe_load((folder / "config/demo/cohort.yaml").read_text())
    spec |= {"shape": [400, 480], "patients": 1}
    (folder / "config/demo/cohort.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (folder / "config/samples.tsv").write_text(SHEET)
    deployment.set("tile.size", 256)
    return deployment


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Deployment:
    """A finished run of the small cohort, made once for all test processes; copy it, never edit."""
    shared = Path(tmp_path_factory.getbasetemp()).parent
    folder = shared / "finished"
    with open(shared / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "finished.json").exists():
            deployment = small(Deployment.create(folder))
            output = deployment.run()
            (shared / "finished.json").write_text(json.dumps(output))
    return Deployment(folder)
