"""What a result was made with: the record that outputs carry, the hash of files that code reads.

Standard library only: the workflow calls it while it is parsed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import vitrail

# Settings that say how the work is divided, not what comes out: results are equal without them.
LAYOUT_KEYS = frozenset({"shards"})


def record(stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Record of a stage's version and settings, to be stored in its outputs.

    Settings that only divide the work (`LAYOUT_KEYS`) are left out, so that the same result has
    the same bits however it was divided.
    """
    kept = {key: value for key, value in settings.items() if key not in LAYOUT_KEYS}
    return {"vitrail": vitrail.__version__, "stage": stage, "settings": kept}


def to_json(provenance: Mapping[str, Any]) -> str:
    """Provenance as a JSON string with sorted keys."""
    return json.dumps(provenance, sort_keys=True, default=str)


def files_hash(paths: Iterable[Path]) -> str:
    """Hash of files that code reads and `code_hash` does not see, such as templates."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
