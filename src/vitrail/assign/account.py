"""The conservation account: where every transcript went, in all and gene by gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.assign.status import CELL, CONTROL, NUCLEUS, REASONS, STATUS

Codes = npt.NDArray[np.int8]


class Account:
    """Counts by gene and status, added up batch by batch.

    Parameters
    ----------
    genes
        Names of the panel, controls included.
    controls
        Names of the controls among them.
    """

    def __init__(self, genes: Sequence[str], controls: Sequence[str]) -> None:
        self.genes = list(genes)
        self.controls = list(controls)
        self.rows = 0
        self.by_gene = np.zeros((len(self.genes), len(STATUS)), dtype=np.int64)
        self.in_nuclei = 0

    def add(self, gene: npt.NDArray[np.int32], status: Codes, compartment: Codes) -> None:
        """Count a batch: codes of gene, status and compartment, each of shape (n,)."""
        self.rows += len(gene)
        key = gene.astype(np.int64) * len(STATUS) + status
        self.by_gene += np.bincount(key, minlength=self.by_gene.size).reshape(self.by_gene.shape)
        self.in_nuclei += int(((status == CELL) & (compartment == NUCLEUS)).sum())

    def merge(self, other: Account) -> None:
        """Add the counts of an account of the same panel."""
        self.rows += other.rows
        self.by_gene += other.by_gene
        self.in_nuclei += other.in_nuclei

    def check(self, transcripts_in: int) -> None:
        """Assert that nothing was lost or counted twice.

        Parameters
        ----------
        transcripts_in
            Rows that ingest handed over.

        Raises
        ------
        AssertionError
            If the account does not add up. Only a fault of the program or a damaged store can
            cause it.
        """
        counted = int(self.by_gene.sum())
        if not (counted == self.rows == transcripts_in):
            raise AssertionError(
                f"transcripts are not conserved: {transcripts_in} came in, {self.rows} were read, "
                f"{counted} are in the account"
            )
        is_control = np.isin(self.genes, self.controls)
        if self.by_gene[is_control, CELL].any() or self.by_gene[~is_control, CONTROL].any():
            raise AssertionError("a control was counted as a gene, or a gene as a control")

    def as_dict(self) -> dict[str, Any]:
        """The account as assignment.json holds it; zero counts of a gene are left out."""
        total = self.by_gene.sum(axis=0)
        return {
            "transcripts_in": self.rows,
            "genes_in_cells": int(total[CELL]),
            "genes_in_nuclei": self.in_nuclei,
            "controls_in_cells": int(total[CONTROL]),
            "unassigned": {reason: int(total[STATUS.index(reason)]) for reason in REASONS},
            "controls": self.controls,
            "by_gene": {
                gene: {STATUS[k]: int(row[k]) for k in np.flatnonzero(row)}
                for gene, row in zip(self.genes, self.by_gene, strict=True)
            },
        }


def summary(account: Mapping[str, Any]) -> str:
    """One line on where the transcripts of an account went."""
    total = account["transcripts_in"]
    places = {
        "genes in cells": account["genes_in_cells"],
        "controls in cells": account["controls_in_cells"],
        **{reason: count for reason, count in account["unassigned"].items() if count},
    }
    shares = ", ".join(f"{n} {name} ({n / max(total, 1):.1%})" for name, n in places.items())
    line = f"{total} transcripts: {shares}"
    if "vendor_agreement" in account:
        agreement = account["vendor_agreement"]
        line += f"; {agreement['agree']} of {agreement['compared']} in the vendor's cell"
    return line
