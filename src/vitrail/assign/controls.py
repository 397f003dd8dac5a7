"""Which names of a panel are control probes and not genes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitrail.errors import VitrailError

# Each is compared with the whole name, so that no gene that merely begins alike is lost
# (NEGR1, BLNK, ANTXR1, NegPrb is not NEG...).
DEFAULT_CONTROLS = (
    r"NegControl(Probe|Codeword)[_-]?.*",  # Xenium
    r"(antisense|UnassignedCodeword|DeprecatedCodeword|GenomicControl\w*|Intergenic_Region)_.*",
    r"(?i:blank)[-_ ]?\d+",  # Xenium BLANK_0001, MERSCOPE Blank-1
    r"(NegPrb|Negative|SystemControl|FalseCode)[-_ ]?\d+",  # CosMx
)


def control_names(
    genes: Sequence[str],
    patterns: Sequence[str] = DEFAULT_CONTROLS,
    key: str = "assign: controls",
) -> list[str]:
    """Names that match a control pattern as a whole, sorted.

    Parameters
    ----------
    genes
        Names in the panel.
    patterns
        Regular expressions; a name is a control if any of them matches all of it.
    key
        Where in the config they stand, for the error.

    Raises
    ------
    VitrailError
        If a pattern is not a regular expression.
    """
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise VitrailError(
                f"config, {key}: {pattern!r} is not a regular expression ({error})."
            ) from None
    return sorted(gene for gene in genes if any(p.fullmatch(gene) for p in compiled))
