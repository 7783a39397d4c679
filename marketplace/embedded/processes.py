"""Child processes that die with their parent, as root under a plain account. Standard library only."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1


class ServiceError(Exception):
    """A service could not be started. str(error) tells a person what to do."""


@dataclass(frozen=True)
class Account:
    """The operating system account that a server runs under."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account to drop to when we are root, else None. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServiceError("Running as root needs an account named postgres or nobody for the servers.")


def death_signal(number: int) -> Callable[[], None] | None:
    """Return a preexec function that makes the kernel send this signal when our thread ends.

    It runs after the change of account, which would clear the setting. Start such children from the main thread.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

    return set_death_signal


def start_child(
    arguments: Sequence[str | Path],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    folder: Path | None = None,
    on_parent_death: int = signal.SIGTERM,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches only us and we decide the order of stopping.

    umask: which rights its new files never have; -1 leaves ours.
    """
    # A negative id would mean "leave as it is"; None is the documented way to say so.
    return subprocess.Popen(
        [str(part) for part in arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=folder or "/",
        env=dict(environment) if environment is not None else None,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=umask,
        preexec_fn=death_signal(on_parent_death),  # noqa: PLW1509 - one prctl call; nothing there takes a lock
    )


def run_as(
    arguments: Sequence[str | Path], *, account: Account | None, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return it with its joined output. Raises OSError when it cannot be executed."""
    return subprocess.run(
        [str(part) for part in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=dict(environment),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        timeout=120,
        check=False,
    )


def stop_child(child: subprocess.Popen[bytes], *, number: int = signal.SIGTERM, timeout_seconds: float = 20.0) -> None:
    """Ask a child to stop, then kill what is left of its process group: itself when it hangs, and its orphans."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.send_signal(number)
        child.wait(timeout_seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def wait_until(
    is_ready: Callable[[], bool], *, child: subprocess.Popen[bytes], name: str, log: Path, timeout_seconds: float = 60.0
) -> None:
    """Wait for a server. Raises ServiceError with the end of its log when it dies or takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while not is_ready():
        has_died = child.poll() is not None
        if has_died or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
            what = f"ended with code {child.returncode}" if has_died else f"was not ready in {timeout_seconds:.0f} s"
            raise ServiceError(f"{name} {what}. The end of {log}:\n{tail}")
        time.sleep(0.02)


def make_private_folder(folder: Path, account: Account | None) -> Path:
    """Make a folder that only the server's account (and root) may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    return folder
