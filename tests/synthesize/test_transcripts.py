import numpy as np
import pytest

from vitrail.coordinates import pixel_index
from vitrail.synthesize import expression_table, slides
from vitrail.synthesize.image import Renderer
from vitrail.synthesize.masks import measure
from vitrail.synthesize.panel import make_panel, relative_size
from vitrail.synthesize.tissue import place_cells, shape_cells
from vitrail.synthesize.transcripts import Sprinkler, Transcripts


@pytest.fixture(scope="module")
def planted(make_spec):
    # A pixel size that no binary fraction holds.
    spec = make_spec(pixel_size=0.3)
    slide = slides(spec)[0]
    sites = place_cells(spec, slide)
    renderer = Renderer(spec, slide, shape_cells(spec, slide, sites))
    area = measure(renderer.plan)[:, 0].astype(float)
    sprinkler = Sprinkler(renderer, make_panel(spec), sites, relative_size(area))
    blocks = list(sprinkler.blocks())
    return renderer, Transcripts(*map(np.concatenate, zip(*blocks, strict=True)))


def test_each_transcript_lies_in_the_pixels_of_its_cell(planted):
    renderer, found = planted
    s = renderer.spec.pixel_size
    labels, nuclei = renderer.labels((0, 0, *renderer.spec.shape))
    row, column = pixel_index(found.y, s), pixel_index(found.x, s)
    np.testing.assert_array_equal(labels[row, column], found.cell)
    compartment = np.where(nuclei[row, column] > 0, 2, labels[row, column] > 0)
    np.testing.assert_array_equal(compartment, found.compartment)


def test_counts_are_those_of_the_table(planted):
    renderer, found = planted
    table = expression_table(renderer.spec, renderer.slide)
    genes = len(table.panel.genes)
    keep = (found.cell > 0) & (found.gene < genes)
    counts = np.zeros(table.counts.shape, dtype=np.int64)
    np.add.at(counts, (found.cell[keep] - 1, found.gene[keep]), 1)
    np.testing.assert_array_equal(counts, table.counts.toarray())


def test_some_lie_outside_of_cells_some_are_poor_some_are_controls(planted):
    renderer, found = planted
    genes = len(make_panel(renderer.spec).genes)
    assert 0.005 < (found.cell == 0).mean() < 0.1
    assert 0.04 < (found.quality < 20).mean() < 0.06
    assert found.quality.min() >= 0
    assert found.quality.max() <= 40
    controls = found.gene >= genes
    assert 0 < controls.mean() < 0.02
    assert (found.cell[controls] > 0).any()
    assert (found.cell[controls] == 0).any()


def test_the_order_of_rows_does_not_give_the_cells_away(planted):
    _, found = planted
    same = found.cell[1:] == found.cell[:-1]
    assert same[found.cell[1:] > 0].mean() < 0.1
