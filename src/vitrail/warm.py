"""A warm interpreter: small jobs are forks of one process that has their packages imported.

Importing numpy, scipy, numba and their like takes longer than a small job's own work. While the
workflow runs, one process waits at a socket. A stage's script hands itself over to it; it forks,
and the fork runs the script. When a fork ends, it names the modules that it had to import, and the
process imports them before it forks again: nothing here knows what a stage needs.

Linux only, standard library only. A job that cannot be handed over (another machine, another
environment, more than one thread, much data) runs in the process that Snakemake gave it, with the
same results.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import secrets
import select
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

SOCKET_VARIABLE = "VITRAIL_WARM"
# A job with more to read than this runs for long enough to pay for its own imports, and is better
# seen by Snakemake's benchmark, which looks at the process that Snakemake started.
LARGEST_INPUT = 64_000_000
THREADS = 1
_LENGTH = struct.Struct("!I")


def forget() -> None:
    """Drop another process's warm interpreter: its forks would run outside of this one's limits."""
    if os.environ.get(SOCKET_VARIABLE) != "off":
        os.environ.pop(SOCKET_VARIABLE, None)


def serve_workflow() -> None:
    """Start the warm interpreter of this run and name it in the environment of all jobs.

    Nothing is started where it could not work, or where `VITRAIL_WARM=off` says so.
    """
    if os.environ.get(SOCKET_VARIABLE) == "off" or not sys.platform.startswith("linux"):
        return
    name = f"vitrail-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(_address(name))
    listener.listen(1024)
    subprocess.Popen(
        [sys.executable, "-P", "-m", "vitrail.warm", str(listener.fileno())],
        pass_fds=[listener.fileno()],
        env={**os.environ, **_one_thread(), SOCKET_VARIABLE: "off"},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    listener.close()
    os.environ[SOCKET_VARIABLE] = f"{name}:{sys.executable}"


def hand_over(inputs: Iterable[str], threads: int) -> None:
    """Let the warm interpreter run this script, and end with its exit status.

    Returns only where this process has to run the script itself.

    Parameters
    ----------
    inputs
        Paths of the job's input files and folders.
    threads
        Number of threads that the job may use.
    """
    name, _, executable = os.environ.get(SOCKET_VARIABLE, "").partition(":")
    if not executable or executable != sys.executable or threads != THREADS:
        return
    if not _is_small(inputs):
        return
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(_address(name))
    except OSError:
        connection.close()
        return
    request = {
        "script": os.path.abspath(sys.argv[0]),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    _send_request(connection, request)
    sys.stdout.flush()
    sys.stderr.flush()
    status = connection.recv(1)
    if not status:
        os.write(2, b"the warm interpreter ended before the job did\n")
    os._exit(status[0] if status else 1)


def _address(name: str) -> str:
    """An address in Linux's abstract name space, which leaves no file behind."""
    return f"\0{name}"


def _one_thread() -> dict[str, str]:
    from vitrail.job import THREAD_VARIABLES

    return dict.fromkeys(THREAD_VARIABLES, str(THREADS))


def _is_small(inputs: Iterable[str]) -> bool:
    left = LARGEST_INPUT
    for path in inputs:
        for size in _file_sizes(path):
            left -= size
            if left < 0:
                return False
    return True


def _file_sizes(path: str) -> Iterator[int]:
    if not os.path.isdir(path):
        with suppress(OSError):
            yield os.stat(path).st_size
        return
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(folder, name)).st_size


def _send_request(connection: socket.socket, request: dict[str, Any]) -> None:
    body = json.dumps(request).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(body))], [0, 1, 2])
    connection.sendall(body)


def _receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    body = b""
    (length,) = _LENGTH.unpack(head)
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            raise ConnectionError("the script ended before it had said what to run")
        body += part
    return json.loads(body), descriptors


class Server:
    """The loop of the warm interpreter: takes scripts, forks, hands their exit status back."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._running: dict[int, _Running] = {}

    def serve(self) -> None:
        """Serve until the process is killed, which happens when the workflow's process ends."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._follow(self._running[descriptor])

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if not _is_own_user(connection):
            connection.close()
            return
        try:
            request, descriptors = _receive_request(connection)
        except (OSError, ValueError, struct.error):
            connection.close()
            return
        names, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(names)
            _run_fork(request, descriptors, connection, writer)
        for descriptor in (*descriptors, writer):
            os.close(descriptor)
        self._running[names] = _Running(pid, connection, names)
        self._poll.register(names, select.POLLIN)

    def _follow(self, job: _Running) -> None:
        """Read what a fork says; the end of the pipe is the end of the fork."""
        part = os.read(job.names, 1 << 16)
        job.said += part
        if part:
            return
        self._poll.unregister(job.names)
        del self._running[job.names]
        os.close(job.names)
        _, status = os.waitpid(job.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        with suppress(OSError):
            job.connection.sendall(bytes([code if code >= 0 else 128 - code]))
        job.connection.close()
        _import_all(job.said.decode().split())


class _Running:
    """A fork at work: its process, its script's connection, the pipe for its modules' names."""

    def __init__(self, pid: int, connection: socket.socket, names: int) -> None:
        self.pid = pid
        self.connection = connection
        self.names = names
        self.said = b""


def _is_own_user(connection: socket.socket) -> bool:
    """Whether the other side belongs to this user: the abstract name space knows no permissions."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def _import_all(names: Iterable[str]) -> None:
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        # What a script could import by other means than its name is left to the scripts.
        with suppress(Exception):
            importlib.import_module(name)
    if missing:
        # Objects that the collector leaves alone stay in memory that forks share.
        gc.collect()
        gc.freeze()


def _run_fork(
    request: dict[str, Any], descriptors: list[int], connection: socket.socket, writer: int
) -> NoReturn:
    """Run a script in a fork as its own process would, and end."""
    known = set(sys.modules)
    code = 1
    try:
        for descriptor, place in zip(descriptors, (0, 1, 2), strict=True):
            os.dup2(descriptor, place)
            os.close(descriptor)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ.update(_one_thread())
        os.environ[SOCKET_VARIABLE] = "off"
        _end_with(connection)
        code = _run_script(request["script"])
        _say(writer, [name for name in sys.modules if name not in known and _is_plain(name)])
    except BaseException:
        traceback.print_exc()
    finally:
        _finish(code)


def _run_script(script: str) -> int:
    sys.argv = [script]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _is_plain(name: str) -> bool:
    """Whether a module can be imported by its name alone."""
    spec = getattr(sys.modules[name], "__spec__", None)
    return not name.startswith("__") and getattr(spec, "name", None) == name


def _say(writer: int, names: list[str]) -> None:
    data = memoryview("\n".join(names).encode())
    while data:
        data = data[os.write(writer, data) :]


def _end_with(connection: socket.socket) -> None:
    """Let this process die with the script that handed itself over, whatever killed that one."""

    def wait() -> None:
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLHUP)
        poll.poll()
        os.kill(os.getpid(), 9)

    threading.Thread(target=wait, daemon=True).start()


def _finish(code: int) -> NoReturn:
    """End without the slow tidying up of thousands of modules, but with all exit handlers run."""
    with suppress(BaseException):
        atexit._run_exitfuncs()
    with suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve at the socket whose descriptor is the first argument."""
    from vitrail import job

    job.end_with_workflow()
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(True)
    Server(listener).serve()


if __name__ == "__main__":
    main()
