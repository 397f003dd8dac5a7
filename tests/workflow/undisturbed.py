"""What is left after a fault: compared with a run that nothing disturbed."""

import shutil


def differing(one, other):
    """Paths whose files differ between two folders of results."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def ends_with_undisturbed_bits(finished, run):
    """A second run finishes, leaves nothing unfinished, equals the undisturbed run, and rests."""
    run.run()
    assert differing(finished.results(), run.results()) == []
    assert unfinished(run) == []
    assert run.planned() == set()


def unfinished(run):
    """Files that a job had begun and not finished."""
    return list((run.folder / "results").rglob(".unfinished-*"))


def remove(path):
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
