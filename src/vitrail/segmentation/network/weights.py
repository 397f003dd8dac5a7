"""Weight files: vitrail's own, and those of Cellpose 2 and 3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.network.size import SizeModel
from vitrail.segmentation.network.unet import CHANNELS, DIAMETER, OUTPUTS, FlowNetwork
from vitrail.segmentation.weights import check_whole, file_hash

KINDS = ("nuclei", "cells")
FORMAT = "vitrail-flows-1"
CELLPOSE_NUCLEI_DIAMETER = 17.0
_FIRST, _LAST = "downsample.down.res_down_0.conv.conv_0.2.weight", "output.2.weight"


@dataclass(frozen=True)
class Facts:
    """What a weight file says about its network.

    Attributes
    ----------
    width, depth
        See `FlowNetwork`.
    kind
        What it segments: `nuclei` or `cells`; empty where the file does not say (Cellpose's).
    diam_mean
        Diameter in pixels to which objects are rescaled before the network sees them.
    diam_labels
        Mean diameter in pixels of its training objects before they were rescaled.
    size
        Model of the diameter from the style, or None.
    sha256
        Hash of the file.
    notes
        Anything else that was stored: plain numbers, texts, lists and mappings.
    """

    width: int
    depth: int
    kind: str
    diam_mean: float
    diam_labels: float
    size: SizeModel | None
    sha256: str
    notes: Mapping[str, Any]


def load_weights(path: str | Path) -> tuple[FlowNetwork, Facts]:
    """Network in evaluation mode, and what its file says about it.

    Parameters
    ----------
    path
        A file of `save_weights`, or one of Cellpose 2 or 3 (`cyto2`, `cyto3`, `nuclei`), whose
        width and depth follow from its shapes. Nothing in it is executed.

    Raises
    ------
    VitrailError
        Where the file is missing, damaged (see `vitrail.segmentation.weights.check_whole`), not a
        weight file, or made for another network.
    """
    path = Path(path)
    content = _read(path)
    own = content.get("format") == FORMAT
    state = content["state"] if own else content
    facts = dict(content["facts"]) if own else {}
    network = _network_for(state, path)
    _fill(network, state, path)
    kind = str(facts.pop("kind", ""))
    size = facts.pop("size", None)
    return network.eval(), Facts(
        network.width,
        network.depth,
        kind,
        float(network.diam_mean),
        float(network.diam_labels),
        None if size is None else _size_model(size),
        file_hash(path),
        facts,
    )


def save_weights(
    path: str | Path,
    network: FlowNetwork,
    kind: str,
    size: SizeModel | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a weight file, in half precision.

    Parameters
    ----------
    path
        A `.pt` file.
    network
        Its `diam_mean` and `diam_labels` are stored with it.
    kind
        `nuclei` or `cells`.
    size
        Model of the diameter from the style.
    notes
        Plain numbers, texts, lists and mappings.

    Raises
    ------
    VitrailError
        Where `kind` is unknown.
    """
    if kind not in KINDS:
        raise VitrailError(f"kind is {kind!r}; wanted: {' or '.join(KINDS)}")
    state = {
        key: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for key, value in network.state_dict().items()
    }
    facts = {**(notes or {}), "kind": kind, "size": None if size is None else _plain(size)}
    torch.save({"format": FORMAT, "state": state, "facts": facts}, path)


def model_card(path: str | Path) -> dict[str, Any] | None:
    """Model card beside a weight file (`NAME.json` beside `NAME.pt`), or None."""
    card = Path(path).with_suffix(".json")
    return json.loads(card.read_text(encoding="utf-8")) if card.exists() else None


def _read(path: Path) -> dict[str, Any]:
    if path.is_file():
        check_whole(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise VitrailError(f"{path} does not exist; wanted: a weight file") from None
    except Exception as error:  # torch raises a different kind for each way of being no such file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VitrailError(
            f"{path} cannot be read as weights ({reason}); wanted: a file of `snakemake train` or "
            "of Cellpose 2 or 3"
        ) from None
    if not isinstance(content, dict):
        raise VitrailError(f"{path} holds a {type(content).__name__}; wanted: a state dict")
    return content


def _network_for(state: Mapping[str, Any], path: Path) -> FlowNetwork:
    """Empty network of the width and depth that the state's shapes ask for."""
    if _FIRST not in state or _LAST not in state:
        raise VitrailError(
            f"{path} has no '{_FIRST if _FIRST not in state else _LAST}'; wanted: the layout of "
            "Cellpose 2 and 3 (Cellpose-SAM's is another network)"
        )
    width, channels = state[_FIRST].shape[:2]
    outputs = state[_LAST].shape[0]
    if channels != CHANNELS or outputs != OUTPUTS or state[_FIRST].ndim != 4:
        raise VitrailError(
            f"{path} has {channels} input channels and {outputs} outputs; wanted: a network of "
            f"planes with {CHANNELS} and {OUTPUTS}"
        )
    levels = {key.split(".")[2] for key in state if key.startswith("downsample.down.")}
    diameter = CELLPOSE_NUCLEI_DIAMETER if "nuclei" in path.name else DIAMETER
    return FlowNetwork(int(width), len(levels), diameter)


def _fill(network: FlowNetwork, state: Mapping[str, Any], path: Path) -> None:
    """Copy the state; only the diameters, which Cellpose 1 did not store, may be missing."""
    wanted = network.state_dict()
    optional = {"diam_mean", "diam_labels"}
    missing = [key for key in wanted if key not in state and key not in optional]
    unknown = [key for key in state if key not in wanted]
    if missing or unknown:
        raise VitrailError(
            f"{path}: {len(missing)} layers are missing and {len(unknown)} unknown (first: "
            f"'{(missing + unknown)[0]}'); wanted: the layout of Cellpose 2 and 3"
        )
    for key in state:
        if state[key].shape != wanted[key].shape:
            raise VitrailError(
                f"{path}: '{key}' has shape {tuple(state[key].shape)}; wanted: "
                f"{tuple(wanted[key].shape)}"
            )
    network.load_state_dict(
        {key: value.to(wanted[key].dtype) for key, value in state.items()}, False
    )


def _plain(size: SizeModel) -> dict[str, Any]:
    return {
        "style_mean": size.style_mean.tolist(),
        "weights": size.weights.tolist(),
        "log_mean": size.log_mean,
        "low": size.low,
        "high": size.high,
    }


def _size_model(plain: Mapping[str, Any]) -> SizeModel:
    return SizeModel(
        np.array(plain["style_mean"], np.float64),
        np.array(plain["weights"], np.float64),
        float(plain["log_mean"]),
        float(plain["low"]),
        float(plain["high"]),
    )
