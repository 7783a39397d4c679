"""The three witnesses that `make run` starts beside the market."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from ledger.policy import LogPolicy
from marketplace.embedded.witnesses import HOST, NAMES, prepare_witnesses, verifier_keys
from tests.embedded.test_supervisor import ROOT, children_of, environment, running

__all__ = ["environment", "running"]


def policy_of(folder: Path) -> LogPolicy:
    return LogPolicy.parse((folder / "policy").read_bytes())


def test_keys_and_ports_outlive_a_run(tmp_path: Path) -> None:
    first = prepare_witnesses(tmp_path / "witnesses", ROOT)
    policy = policy_of(tmp_path / "witnesses")
    assert tuple(witness.name for witness in policy.witnesses) == NAMES
    assert {witness.key.name for witness in policy.witnesses} == {f"{name}.invalid/witness" for name in NAMES}
    assert [witness.url for witness in policy.witnesses] == [f"http://{HOST}:{witness.port}" for witness in first]
    assert policy.groups[0].needed == 2
    assert prepare_witnesses(tmp_path / "witnesses", ROOT) == first
    assert policy_of(tmp_path / "witnesses") == policy
    for witness in first:
        assert [path.stat().st_mode & 0o077 for path in (witness.folder, witness.folder / "key")] == [0, 0]
        assert not {"SECRET_KEY", "DATABASE_URL"} & set(witness.environment)


def test_a_port_that_is_taken_is_exchanged(tmp_path: Path) -> None:
    first = prepare_witnesses(tmp_path / "witnesses", ROOT)
    with socket.socket() as other:
        other.bind((HOST, first[1].port))
        other.listen()
        second = prepare_witnesses(tmp_path / "witnesses", ROOT)
    assert [after.port == before.port for before, after in zip(first, second, strict=True)] == [True, False, True]
    assert policy_of(tmp_path / "witnesses").witnesses[1].url == f"http://{HOST}:{second[1].port}"
    (first[1].folder / "port").write_text("not a port\n")
    assert len({witness.port for witness in prepare_witnesses(tmp_path / "witnesses", ROOT)}) == 3


def test_only_verifier_keys_are_read_from_a_program(tmp_path: Path) -> None:
    key = (prepare_witnesses(tmp_path / "witnesses", ROOT)[0].folder / "vkey").read_text()
    assert verifier_keys(f"2026-03-14T09:26:53Z WARNING a+b\n{key}\nx+y+z\n") == [key.strip()]


def test_the_log_becomes_final_and_goes_on_without_a_witness(environment: dict[str, str], running) -> None:
    def cosigned() -> list[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{environment['PORT']}/log/checkpoint", timeout=10) as found:
                note = found.read().decode()
        except urllib.error.HTTPError:
            # The worker signs the empty log once it runs.
            return []
        return [line.split(" ")[1] for line in note.splitlines() if line.startswith("\u2014 ")]

    deadline = time.monotonic() + 30
    while len(cosigned()) < 4 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert cosigned()[0] == "ownstream.invalid/log"
    assert set(cosigned()[1:]) == {f"{name}.invalid/witness" for name in NAMES}

    witness = next(child for child, command in children_of(running.pid).items() if "ledger.witness" in command)
    os.kill(witness, signal.SIGKILL)
    time.sleep(1.5)
    assert running.poll() is None
    assert not Path(f"/proc/{witness}").exists()
    assert len(children_of(running.pid)) == 7
