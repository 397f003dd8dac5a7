"""Which channel plays which role."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vitrail.errors import VitrailError

ROLES = ("nucleus", "cytoplasm", "membrane")
AUTO = "auto"

_KNOWN = {
    "nucleus": r"dapi|hoechst|draq|sytox|nucle|histone|^dna|^blue$",
    "cytoplasm": r"poly[ _-]?[at]|cyto|rrna|18s|body",
    "membrane": r"membrane|cell ?bound|boundary|wga|cadherin|atp1a1|cd298|b2m|pan ?ck",
}


def roles(
    channels: Sequence[str], wanted: Mapping[str, str | int | None] | None = None
) -> dict[str, int]:
    """Index of the channel in each role.

    Parameters
    ----------
    channels
        Names of the slide's channels.
    wanted
        For each role (`nucleus`, `cytoplasm`, `membrane`) a channel's name or number, None for no
        channel, or `auto`: the first channel whose name is known for the role. Without a known name
        the first channel shows nuclei, and the other roles have none. Of a colour image (red,
        green, blue) blue shows nuclei and green cells (Byun et al. 2022).
    """
    chosen = {}
    for role in ROLES:
        name = (wanted or {}).get(role, AUTO)
        index = _known(channels, role) if name == AUTO else _named(channels, role, name)
        if index is not None:
            chosen[role] = index
    if "nucleus" not in chosen:
        raise VitrailError("segment.channels.nucleus is empty; wanted: a channel that shows nuclei")
    return chosen


def _known(channels: Sequence[str], role: str) -> int | None:
    if [str(name).lower() for name in channels] == ["red", "green", "blue"]:
        return {"nucleus": 2, "cytoplasm": 1}.get(role)
    for index, name in enumerate(channels):
        if re.search(_KNOWN[role], str(name), re.IGNORECASE):
            return index
    return 0 if role == "nucleus" and len(channels) else None


def _named(channels: Sequence[str], role: str, name: str | int | None) -> int | None:
    if name is None:
        return None
    if isinstance(name, int) and 0 <= name < len(channels):
        return name
    if name in channels:
        return list(channels).index(str(name))
    raise VitrailError(
        f"segment.channels.{role} is '{name}', but the slide has the channels {', '.join(channels)}"
    )
