import fcntl
import json
import os

import pytest
import yaml
from deployment import Deployment
from small_cohort import SHEET


def small(deployment: Deployment) -> Deployment:
    """Shrink the deployed demo to two slides of 400 x 480 pixels in four tiles each."""
    folder = deployment.folder
    spec = yaml.safe_load((folder / "config/demo/cohort.yaml").read_text())
    spec |= {"shape": [400, 480], "patients": 1}
    (folder / "config/demo/cohort.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (folder / "config/samples.tsv").write_text(SHEET)
    deployment.set("tile.size_px", 256)
    return deployment


@pytest.fixture(scope="session")
def make_small():
    """What shrinks a deployment, for tests that run one of their own."""
    return small


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Deployment:
    """A finished run of the small cohort, made once for all test processes; copy it, never edit."""
    return made_once("finished", {}, tmp_path_factory)


@pytest.fixture(scope="session")
def by_watershed(tmp_path_factory) -> Deployment:
    """As `finished`, with a segmenter that takes a tenth of the network's time."""
    return made_once("by_watershed", {"segment.segmenter": "watershed"}, tmp_path_factory)


def made_once(name, settings, tmp_path_factory):
    """A finished run of the small cohort with some settings, shared by all test processes."""
    base = tmp_path_factory.getbasetemp()
    # Processes of one session each have a folder in the session's; other sessions have their own.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.json").exists():
            deployment = small(Deployment.create(folder))
            for key, value in settings.items():
                deployment.set(key, value)
            output = deployment.run()
            (shared / f"{name}.json").write_text(json.dumps(output))
    return Deployment(folder)
