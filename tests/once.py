"""What takes long to make and is only read: made once for all test processes of a session."""

import fcntl
import os
import shutil


def once(tmp_path_factory, name, make):
    """Folder that `make` fills, a function of its path; tests copy it where they write.

    Tests of one module run in several processes, each of which would have a fixture of its own.
    """
    base = tmp_path_factory.getbasetemp()
    # Processes of one session each have a folder in the session's; other sessions have their own.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name, shared / f"{name}.done"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # What a failed attempt has left.
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder
