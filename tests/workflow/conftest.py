import pytest
import yaml
from deployment import Deployment
from once import once
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

    def make(folder):
        deployment = small(Deployment.create(folder))
        for key, value in settings.items():
            deployment.set(key, value)
        deployment.run()

    return Deployment(once(tmp_path_factory, name, make))
