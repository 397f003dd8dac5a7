"""The configuration: defaults, checks, and what one stage of one sample reads of it.

Called while the workflow is parsed, so imports stay light.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from vitrail.errors import VitrailError

# Stages that draw random numbers; they get the config's seed unless they set one of their own.
SEEDED_STAGES = frozenset(
    {
        "annotate",
        "autocorrelation",
        "enrichment",
        "portrait",
        "compare",
        "cohort",
        "train",
        "evaluate",
    }
)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Mapping with `changes` laid over `base`, mappings inside of mappings likewise."""
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Value with its texts turned into what the schema wants in their place.

    Snakemake's ``--config section='{key: 3}'`` gives every value as text. A text is read as YAML
    where the schema allows no text; whether the result is right is for `validate` to say.
    """
    import yaml

    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        fallback = others if isinstance(others, Mapping) else {}
        return {key: typed(item, properties.get(key, fallback)) for key, item in value.items()}
    if isinstance(value, str) and "type" in schema and "string" not in _listed(schema["type"]):
        return yaml.safe_load(value)
    return value


def validate(config: Mapping[str, Any], schema: Mapping[str, Any], where: str = "config") -> None:
    """Check a configuration against its schema.

    Raises
    ------
    VitrailError
        One sentence on the first key that is unknown or has a value of the wrong kind.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(dict(schema)).iter_errors(config), key=_depth_and_path)
    if errors:
        raise VitrailError(f"{where}: {_sentence(errors[0])}.")


def stage_settings(
    config: Mapping[str, Any], stage: str, row: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A stage's section of the config, with the sample's own values from the sheet laid over it.

    Parameters
    ----------
    config
        The whole configuration.
    stage
        Name of the stage and of its section.
    row
        Row of the sample sheet; its key ``overrides`` maps dotted config keys to values.
    """
    settings = copy.deepcopy(dict(config.get(stage) or {}))
    for key, value in (row or {}).get("overrides", {}).items():
        section, *path = key.split(".")
        if section == stage:
            _set(settings, path, value)
    if stage in SEEDED_STAGES:
        settings.setdefault("seed", config["seed"])
    return settings


def check_overrides(
    config: Mapping[str, Any], rows: list[dict[str, Any]], schema: Mapping[str, Any], sheet: str
) -> None:
    """Check the config values that the sheet sets for single samples.

    Raises
    ------
    VitrailError
        One sentence that names the sheet, its row and the key.
    """
    checked = set()
    for row in rows:
        # Rows of a large cohort set the same values, which are checked once, in the first of them.
        kind = json.dumps(row["overrides"], sort_keys=True, default=repr)
        if not row["overrides"] or kind in checked:
            continue
        changed = copy.deepcopy(dict(config))
        for key, value in row["overrides"].items():
            _set(changed, key.split("."), value)
        validate(changed, schema, f"{sheet}, row {row['row']} (sample {row['sample']})")
        checked.add(kind)


def _set(mapping: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        mapping = mapping.setdefault(key, {})
    mapping[path[-1]] = value


def _depth_and_path(error: Any) -> tuple[bool, int, str]:
    # A misspelt key explains the missing one beside it, so it is named first.
    unknown = error.validator == "additionalProperties"
    return (not unknown, len(error.absolute_path), str(list(error.absolute_path)))


def _sentence(error: Any) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        return _unknown_key(error, path)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"key '{_join(path, missing)}' is missing"
    return f"key '{path}' is {_shown(error.instance)}, wanted {_wanted(error)}"


def _unknown_key(error: Any, path: str) -> str:
    known = sorted(error.schema.get("properties", {}))
    unknown = next(key for key in error.instance if key not in known)
    close = difflib.get_close_matches(str(unknown), known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known keys are {', '.join(known)}"
    return f"unknown key '{_join(path, str(unknown))}' ({hint})"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wanted(error: Any) -> str:
    value = error.validator_value
    sentences = {
        "type": lambda: " or ".join(_kinds(value)),
        "enum": lambda: "one of " + ", ".join(str(v) for v in value),
        "minimum": lambda: f"at least {value}",
        "maximum": lambda: f"at most {value}",
        "exclusiveMinimum": lambda: f"more than {value}",
        "exclusiveMaximum": lambda: f"less than {value}",
        "minItems": lambda: f"at least {value} items",
        "maxItems": lambda: f"at most {value} items",
        "minLength": lambda: "a text that is not empty",
        "pattern": lambda: f"a text that matches {value}",
        "const": lambda: repr(value),
    }
    if error.validator in sentences:
        return sentences[error.validator]()
    if error.validator in ("anyOf", "oneOf"):
        return " or ".join(_alternatives(value))
    return str(error.schema.get("description", error.message))


def _alternatives(schemas: list[Mapping[str, Any]]) -> Iterator[str]:
    for schema in schemas:
        if "enum" in schema:
            yield "one of " + ", ".join(str(v) for v in schema["enum"])
        elif "const" in schema:
            yield repr(schema["const"])
        else:
            yield from _kinds(schema.get("type", "another kind of value"))


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _kinds(kinds: str | list[str]) -> list[str]:
    names = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a text",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping of keys to values",
        "null": "nothing",
    }
    return [names.get(kind, kind) for kind in _listed(kinds)]
