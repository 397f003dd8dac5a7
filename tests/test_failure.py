"""What a job says of an error that nobody foresaw."""

import errno

import h5py
import numpy as np
import pytest

from vitrail.failure import error_number, explain

OUTPUT = ["results/A/graph.npz", "results/A/graph.json"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; make room and run again."),
        (errno.EDQUOT, "the quota is used up; make room and run again."),
        (errno.EROFS, "the file system is read-only; make it writable and run again."),
    ],
)
def test_a_place_that_takes_no_file_is_named(number, words):
    error = OSError(number, "x")
    assert explain(error, [], OUTPUT) == f"results/A: could not be written, {words}"


def test_numbers_of_errors_in_messages_and_causes():
    message = "Can't synchronously write data (file write failed: errno = 28, error message = 'x')"
    assert error_number(OSError(message)) == errno.ENOSPC
    assert error_number(OSError("[Errno 28] Error writing bytes. Detail: [errno 28] x")) == 28
    chained = RuntimeError("a writer failed")
    chained.__cause__ = OSError(errno.ENOSPC, "x")
    assert error_number(chained) == errno.ENOSPC
    assert error_number(ValueError("errno 28")) is None


def test_a_broken_input_is_named(tmp_path):
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(10_000)
    path.write_bytes(path.read_bytes()[:-1000])
    said = explain(ValueError("strange"), [str(path)], OUTPUT)
    assert said.startswith(f"{path}: cannot be read (")
    assert said.endswith("); remove it and run again, to have it made anew.")


def test_anything_else_is_called_by_its_name():
    assert explain(KeyError("k"), [], OUTPUT) == (
        "stopped by an error that was not foreseen, KeyError: 'k'"
    )
