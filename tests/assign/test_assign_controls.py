"""Controls are told from genes by their names."""

import pytest

from vitrail.assign.controls import control_names
from vitrail.errors import VitrailError

CONTROLS = [
    "BLANK_0001",
    "Blank-1",
    "Blank-99",
    "blank1",
    "NegControlProbe_00042",
    "NegControlCodeword_0508",
    "antisense_PROKR2",
    "UnassignedCodeword_0001",
    "DeprecatedCodeword_0321",
    "GenomicControlProbe_01",
    "Intergenic_Region_10001",
    "NegPrb10",
    "NegPrb3",
    "Negative01",
    "SystemControl5",
    "FalseCode12",
]
# Real genes of human and mouse whose names begin or sound alike.
GENES = [
    "NEGR1",
    "Negr1",
    "BLNK",
    "Blnk",
    "BLOC1S1",
    "ANTXR1",
    "NELFA",
    "NEB",
    "SYS1",
    "FALZ",
    "DEPDC1",
    "UNC5A",
    "GCNT1",
    "INTS1",
    "HLA-DRA",
    "FOXP3-AS1",
    "Blank",
    "CONTROL",
]


def test_vendors_names_are_found_and_no_gene():
    assert control_names([*CONTROLS, *GENES]) == sorted(CONTROLS)


def test_own_patterns_match_the_whole_name():
    assert control_names(["ERCC-1", "XERCC-1", "ERCC"], [r"ERCC-\d+"]) == ["ERCC-1"]
    assert control_names(CONTROLS, []) == []


def test_a_broken_pattern_is_named():
    with pytest.raises(VitrailError, match=r"assign: controls: '\(' is not a regular expression"):
        control_names([], ["("])
