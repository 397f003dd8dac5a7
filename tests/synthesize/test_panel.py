import numpy as np
import pytest

from vitrail.synthesize import expression_table, slides
from vitrail.synthesize.panel import draw_counts, expression, make_panel, relative_size
from vitrail.synthesize.tissue import place_cells


@pytest.fixture(scope="module")
def planted(make_spec):
    spec = make_spec()
    slide, panel = slides(spec)[0], make_panel(spec)
    sites = place_cells(spec, slide)
    area = np.random.default_rng(1).lognormal(4, 0.4, sites.x.size)
    return spec, slide, panel, sites, area


def test_the_panel_has_the_numbers_of_the_spec(make_spec):
    spec = make_spec()
    panel = make_panel(spec)
    assert panel.kind.count("null") == spec.genes.null_genes
    assert panel.kind.count("spatial") == spec.genes.spatial_genes
    assert panel.kind.count("confounded") == spec.genes.confounded_genes
    assert panel.kind.count("marker") == 20
    assert len(panel.controls) == spec.genes.control_probes
    assert len(set(panel.genes) | set(panel.controls)) == len(panel.genes) + len(panel.controls)
    assert panel.share.sum() == pytest.approx(1)
    assert panel.share[panel.null].sum() == pytest.approx(spec.genes.null_share)


def test_null_genes_have_one_chance_in_all_cells(planted):
    spec, slide, panel, sites, area = planted
    shares = expression(spec, slide, panel, sites, relative_size(area))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    null = shares[:, panel.null]
    np.testing.assert_array_equal(null, np.broadcast_to(null[0], null.shape))
    assert (np.ptp(shares[:, ~panel.null], axis=0) > 0).all()


def test_confounded_genes_follow_their_driver(planted):
    spec, slide, panel, sites, area = planted
    shares = expression(spec, slide, panel, sites, relative_size(area))
    gene = panel.driver.index("area")
    assert np.corrcoef(np.log(shares[:, gene]), np.log(area))[0, 1] > 0.7


def test_totals_do_not_depend_on_what_a_cell_expresses(planted):
    spec, slide, panel, _sites, _ = planted
    one = np.zeros((50, len(panel.genes)))
    one[:, 0] = 1
    other = np.full_like(one, 1 / one.shape[1])
    first = draw_counts(spec, slide, panel, one, (0, 0)).sum(axis=1)
    np.testing.assert_array_equal(first, draw_counts(spec, slide, panel, other, (0, 0)).sum(axis=1))
    assert abs(first.mean() / spec.genes.transcripts_per_cell - 1) < 0.2


def test_markers_are_high_in_their_own_type(make_spec):
    spec = make_spec(shape=[1000, 1000])
    table = expression_table(spec, slides(spec)[0])
    dense = table.counts.toarray()
    for g, (kind, driver) in enumerate(zip(table.panel.kind, table.panel.driver, strict=True)):
        if kind == "marker":
            own = table.types == driver
            assert dense[own, g].mean() > 4 * dense[~own, g].mean()


def test_a_panel_of_null_genes_alone(make_spec):
    spec = make_spec(genes={"null_genes": 5, "spatial_genes": 0, "confounded_genes": 0})
    types = {k: type(v)(**(vars(v) | {"markers": ()})) for k, v in spec.types.items()}
    panel = make_panel(type(spec)(**(vars(spec) | {"types": types})))
    assert panel.share.sum() == pytest.approx(1)
    assert panel.null.all()
