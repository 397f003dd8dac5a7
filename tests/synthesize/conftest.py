import copy
from pathlib import Path

import pytest
import yaml

from vitrail.synthesize import parse_spec

DEMO = Path(__file__).parents[2] / "config" / "demo"


@pytest.fixture(scope="session")
def demo_content():
    return yaml.safe_load((DEMO / "cohort.yaml").read_text())


@pytest.fixture(scope="session")
def make_spec(demo_content):
    """Spec of the demo with some keys changed, small by default."""

    def make(**changes):
        content = copy.deepcopy(demo_content) | {"shape": [600, 700]} | changes
        return parse_spec(content)

    return make
