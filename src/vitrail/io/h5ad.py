"""AnnData's file format (h5ad), written and read with h5py alone.

Importing anndata costs more than most jobs' own work. Files follow version 0.1.0 of anndata's
on-disk format (https://anndata.readthedocs.io/en/stable/fileformat-prose.html), so that
`anndata.read_h5ad` opens them as its own, and hold the same bits whenever the same values are
written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

Array = npt.NDArray[Any]

# Below this many bytes a compressed dataset costs more time and space than it saves.
COMPRESS_FROM_BYTES = 1 << 16
CHUNK_BYTES = 1 << 20
# Groups of a file that hold matrices beside X.
MATRICES = ("layers", "obsm")


@dataclass(frozen=True)
class Categorical:
    """A column of few different strings.

    Attributes
    ----------
    codes
        Integer array of shape (n,): index into `categories`, -1 where the value is missing.
    categories
        The different values, in their order.
    """

    codes: Array
    categories: Sequence[str]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Categorical:
        """Encode strings; categories are sorted, None is a missing value."""
        categories = sorted({value for value in values if value is not None})
        code = {value: i for i, value in enumerate(categories)}
        codes = [-1 if value is None else code[value] for value in values]
        return cls(np.array(codes, dtype=np.int32), categories)

    @classmethod
    def constant(cls, value: str, n: int) -> Categorical:
        """One value, `n` times."""
        return cls(np.zeros(n, dtype=np.int8), [value])

    def values(self) -> Array:
        """The column as an object array of strings, None where missing."""
        return np.array([*self.categories, None], dtype=object)[self.codes]


@dataclass
class CellMatrix:
    """What a h5ad file holds; the arguments of `write_h5ad`.

    Attributes
    ----------
    X
        Matrix of shape (n, m), sparse or dense.
    obs, var
        Columns by name, in order.
    obs_names, var_names
        Names of rows and columns.
    obsm, layers, uns
        As in anndata.
    """

    X: Any
    obs: dict[str, Any]
    obs_names: Sequence[str]
    var_names: Sequence[str]
    var: dict[str, Any] = field(default_factory=dict)
    obsm: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.obs_names), len(self.var_names)


def read_h5ad(path: str | Path) -> CellMatrix:
    """Read all that vitrail's stages keep in a h5ad file (no obsp, varm, varp, raw)."""
    with h5py.File(path, "r") as file:
        cells = read_head(file)
        cells.X = read_element(file["X"]) if "X" in file else None
        for name in MATRICES:
            getattr(cells, name).update(read_element(file[name]) if name in file else {})
    return cells


def read_head(file: h5py.File) -> CellMatrix:
    """Read an open h5ad file but for its matrices: X is None, `layers` and `obsm` are empty."""
    return CellMatrix(
        X=None,
        obs=read_columns(file["obs"]),
        obs_names=read_names(file["obs"]).tolist(),
        var_names=read_names(file["var"]).tolist(),
        var=read_columns(file["var"]),
        uns=read_element(file["uns"]) if "uns" in file else {},
    )


def copy_matrices(source: h5py.File, target: h5py.File) -> None:
    """Copy `layers` and `obsm` from file to file as they are stored; none passes memory whole."""
    for name in MATRICES:
        for key in source.get(name, ()):
            source.copy(source[name][key], target[name], key)


def write_h5ad(
    path: str | Path,
    X: Any,
    obs: Mapping[str, Any],
    obs_names: Sequence[str],
    var_names: Sequence[str],
    *,
    var: Mapping[str, Any] | None = None,
    obsm: Mapping[str, Any] | None = None,
    layers: Mapping[str, Any] | None = None,
    uns: Mapping[str, Any] | None = None,
    obsp: Mapping[str, Any] | None = None,
) -> None:
    """Write an AnnData file.

    Parameters
    ----------
    path
        File to be made; an existing one is replaced.
    X
        scipy CSR or CSC matrix or array of shape (n, m); None for no matrix.
    obs, var
        Columns by name, in order: arrays (numbers, bools, strings) or `Categorical`.
    obs_names, var_names
        Names of the n rows and m columns.
    obsm, layers, obsp
        Matrices by name, dense or sparse.
    uns
        Strings, numbers, arrays, lists of strings and mappings of these.

    Raises
    ------
    ValueError
        If shapes do not agree, or names occur twice.
    """
    n, m = len(obs_names), len(var_names)
    _check_names(obs_names, "rows")
    _check_names(var_names, "columns")
    for name, matrix in {"X": X, **(layers or {})}.items():
        if matrix is not None and matrix.shape != (n, m):
            raise ValueError(f"{name} has shape {matrix.shape}, wanted {(n, m)}")
    for name, matrix in (obsm or {}).items():
        if matrix.shape[0] != n:
            raise ValueError(f"obsm[{name!r}] has {matrix.shape[0]} rows, wanted {n}")
    with h5py.File(path, "w") as file:
        _mark(file, "anndata", "0.1.0")
        if X is not None:
            write_element(file, "X", X)
        _write_frame(file, "obs", obs_names, obs)
        _write_frame(file, "var", var_names, var or {})
        parts = {"obsm": obsm, "layers": layers, "obsp": obsp, "uns": uns, "varm": {}, "varp": {}}
        for name, mapping in parts.items():
            write_element(file, name, mapping or {})


def write_element(parent: h5py.Group, name: str, value: Any) -> None:
    """Write one value under `parent` in anndata's encoding of its type."""
    if isinstance(value, Mapping):
        group = parent.create_group(name)
        _mark(group, "dict", "0.1.0")
        for key, item in value.items():
            write_element(group, str(key), item)
    elif isinstance(value, Categorical):
        _write_categorical(parent, name, value)
    elif getattr(value, "format", None) in ("csr", "csc"):
        _write_sparse(parent, name, value)
    elif isinstance(value, str):
        dataset = parent.create_dataset(name, data=value, dtype=h5py.string_dtype())
        _mark(dataset, "string", "0.2.0")
    elif np.ndim(value) == 0:
        _mark(parent.create_dataset(name, data=value), "numeric-scalar", "0.2.0")
    else:
        _write_array(parent, name, value)


def _mark(item: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    item.attrs["encoding-type"] = kind
    item.attrs["encoding-version"] = version


def _check_names(names: Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"names of {what} occur twice")


def _write_frame(
    parent: h5py.Group, name: str, index: Sequence[str], columns: Mapping[str, Any]
) -> None:
    group = parent.create_group(name)
    _mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs.create("column-order", list(columns), dtype=h5py.string_dtype())
    _write_strings(group, "_index", index)
    for column, values in columns.items():
        length = len(values.codes) if isinstance(values, Categorical) else len(values)
        if length != len(index):
            raise ValueError(f"{name}[{column!r}] has {length} rows, wanted {len(index)}")
        write_element(group, column, values)


def _write_categorical(parent: h5py.Group, name: str, value: Categorical) -> None:
    group = parent.create_group(name)
    _mark(group, "categorical", "0.2.0")
    group.attrs["ordered"] = False
    codes = np.asarray(value.codes)
    size = len(value.categories)
    dtype = np.int8 if size < 1 << 7 else np.int16 if size < 1 << 15 else np.int32
    _write_array(group, "codes", codes.astype(dtype))
    _write_strings(group, "categories", value.categories)


def _write_sparse(parent: h5py.Group, name: str, value: Any) -> None:
    group = parent.create_group(name)
    _mark(group, f"{value.format}_matrix", "0.1.0")
    group.attrs["shape"] = np.array(value.shape, dtype=np.int64)
    for part in ("data", "indices", "indptr"):
        _dataset(group, part, getattr(value, part))


def _write_array(parent: h5py.Group, name: str, value: Any) -> None:
    array = np.asarray(value)
    if array.dtype.kind in "OUT" or (array.size == 0 and isinstance(value, list)):
        _write_strings(parent, name, value)
    else:
        _mark(_dataset(parent, name, array), "array", "0.2.0")


def _write_strings(parent: h5py.Group, name: str, values: Sequence[str]) -> None:
    array = np.asarray(values, dtype=object)
    if any(not isinstance(value, str) for value in array.flat):
        raise ValueError(f"{name!r} holds values that are not strings: use Categorical for missing")
    dataset = parent.create_dataset(name, data=array, dtype=h5py.string_dtype())
    _mark(dataset, "string-array", "0.2.0")


def _dataset(parent: h5py.Group, name: str, array: Array) -> h5py.Dataset:
    if array.nbytes < COMPRESS_FROM_BYTES:
        return parent.create_dataset(name, data=array)
    row = max(1, array.nbytes // array.shape[0])
    chunks = (min(array.shape[0], max(1, CHUNK_BYTES // row)), *array.shape[1:])
    return parent.create_dataset(
        name, data=array, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
    )


def read_element(item: h5py.Group | h5py.Dataset) -> Any:
    """Read one value of an h5ad file: array, string, number, sparse matrix, categorical or dict.

    Strings come back as object arrays. Also reads what anndata 0.8 and later wrote.

    Raises
    ------
    VitrailError
        If the encoding is not known.
    """
    kind = item.attrs.get("encoding-type", "")
    if kind in ("csr_matrix", "csc_matrix"):
        return _read_sparse(item, kind[:3])
    if kind == "categorical":
        categories = [str(value) for value in read_element(item["categories"])]
        return Categorical(item["codes"][:], categories)
    if kind in ("nullable-integer", "nullable-boolean", "nullable-string-array"):
        return _read_nullable(item, kind)
    if kind == "null":
        return None
    if isinstance(item, h5py.Group) and kind in ("dict", "dataframe", ""):
        return {key: read_element(item[key]) for key in item}
    if isinstance(item, h5py.Dataset):
        if h5py.check_string_dtype(item.dtype) is not None:
            return item.asstr()[()]
        return item[()]
    raise VitrailError(
        f"{item.file.filename}: {item.name} is encoded as {kind!r}, which vitrail does not read."
    )


def read_columns(frame: h5py.Group) -> dict[str, Any]:
    """Columns of a data frame group (`obs` or `var`), in their order."""
    return {str(name): read_element(frame[name]) for name in frame.attrs["column-order"]}


def read_names(frame: h5py.Group) -> Array:
    """Row names of a data frame group (`obs` or `var`), as an object array of strings."""
    index = frame[frame.attrs.get("_index", "_index")]
    return np.asarray(read_element(index)).astype(str).astype(object)


def _read_sparse(group: h5py.Group, form: str) -> Any:
    from scipy import sparse

    kind = sparse.csr_matrix if form == "csr" else sparse.csc_matrix
    parts = tuple(group[part][:] for part in ("data", "indices", "indptr"))
    return kind(parts, shape=tuple(int(size) for size in group.attrs["shape"]))


def _read_nullable(group: h5py.Group, kind: str) -> Array:
    values, missing = read_element(group["values"]), group["mask"][:]
    if not missing.any():
        return np.asarray(values)
    if kind == "nullable-string-array":
        values = np.asarray(values, dtype=object)
        values[missing] = None
        return values
    return np.where(missing, np.nan, values.astype(np.float64))
