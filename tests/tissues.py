"""Small synthetic tissues: tumour nests in stroma, with T cells inside of them or kept out."""

import numpy as np

SHARES = {"tumour": 0.44, "stroma": 0.26, "T cell": 0.14, "macrophage": 0.09, "endothelial": 0.07}
SIDE = 600.0


def tissue(seed, cells=1600, inside=0.5):
    """Positions (n, 2) and types of one slide; `inside` is the share of T cells within nests.

    Cell numbers and composition are the same whatever `inside` is. Nests differ in number, size
    and place from slide to slide.
    """
    random = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(cells)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    step = SIDE / side
    xy = (grid + 0.5 + random.uniform(-0.4, 0.4, grid.shape)) * step
    xy = xy[np.sort(random.permutation(len(xy))[:cells])]
    nests = random.integers(5, 11)
    centres = random.uniform(0, SIDE, (nests, 2))
    widths = random.uniform(0.6, 1.4, nests)
    depth = (np.linalg.norm(xy[:, None] - centres[None], axis=2) / widths).min(axis=1)
    numbers = {name: int(share * cells) for name, share in SHARES.items()}
    numbers["tumour"] += cells - sum(numbers.values())
    t_inside = round(inside * numbers["T cell"])
    order = np.argsort(depth)
    nest = order[: numbers["tumour"] + t_inside]
    rest = order[len(nest) :]
    types = np.full(cells, "stroma", dtype=object)
    types[nest] = "tumour"
    types[random.choice(nest, t_inside, replace=False)] = "T cell"
    # Those outside gather at the border of the nests.
    border = rest[: 3 * numbers["T cell"]]
    outside = random.choice(border, numbers["T cell"] - t_inside, replace=False)
    types[outside] = "T cell"
    for name in ("macrophage", "endothelial"):
        free = rest[types[rest] == "stroma"]
        types[random.choice(free, numbers[name], replace=False)] = name
    return xy, types


def cohort(seed, inside, patients=4, images=1, cells=(1500, 3000), spread=0.1):
    """Keywords of `compare` for a cohort; `inside` maps each condition to its share."""
    random = np.random.default_rng([seed, 99])
    tables = {
        "xy_by_image": {},
        "types_by_image": {},
        "unit_by_image": {},
        "condition_by_image": {},
    }
    patient = 0
    for condition, share in inside.items():
        for _ in range(patients):
            patient += 1
            own = float(np.clip(share + random.normal(0, spread), 0, 1))
            for image in range(images):
                name = f"P{patient}_{image}"
                number = int(random.integers(*cells))
                xy, types = tissue([seed, patient, image], number, own)
                tables["xy_by_image"][name] = xy
                tables["types_by_image"][name] = types
                tables["unit_by_image"][name] = f"P{patient}"
                tables["condition_by_image"][name] = condition
    return tables
