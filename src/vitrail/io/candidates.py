"""Candidates of one shard: an npz file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from vitrail.candidates import Candidates

KINDS = ("cells", "nuclei")


def write_candidates(path: str | Path, candidates: Mapping[str, Candidates]) -> None:
    """Write the candidates of one shard by kind (`cells`, `nuclei`)."""
    arrays = {
        f"{kind}/{field.name}": getattr(candidates[kind], field.name)
        for kind in KINDS
        for field in fields(Candidates)
    }
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def read_candidates(path: str | Path) -> dict[str, Candidates]:
    """Read what `write_candidates` wrote."""
    with np.load(path) as arrays:
        return {
            kind: Candidates(
                **{field.name: arrays[f"{kind}/{field.name}"] for field in fields(Candidates)}
            )
            for kind in KINDS
        }
