"""The network behind `segmenter: flows`: plain torch, and the weight files of Cellpose 2 and 3.

Importing this imports torch.
"""

from vitrail.segmentation.network.predict import FLOW_SCALE, Prediction, build, predict, styles
from vitrail.segmentation.network.size import SizeModel, fit_size_model
from vitrail.segmentation.network.unet import FlowNetwork, Reconstructor
from vitrail.segmentation.network.weights import (
    KINDS,
    Facts,
    file_hash,
    load_weights,
    model_card,
    save_weights,
)

__all__ = [
    "FLOW_SCALE",
    "KINDS",
    "Facts",
    "FlowNetwork",
    "Prediction",
    "Reconstructor",
    "SizeModel",
    "build",
    "file_hash",
    "fit_size_model",
    "load_weights",
    "model_card",
    "predict",
    "save_weights",
    "styles",
]
