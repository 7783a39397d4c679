import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command

from ledger.errors import KeyMalformed, SeedUnusable
from ledger.notes import NoteSigner
from ledger.seeds import load_seed
from ledger.signing import log_signer, log_verifier_key
from ledger.tasks import QUEUE, require_key
from marketplace.celery import app

SEED = bytes(range(32))


@pytest.fixture
def production(settings):
    settings.IS_PRODUCTION = True
    settings.IS_EMBEDDED = False
    settings.LEDGER_SEED_HEX = ""
    settings.LEDGER_VKEY = ""
    settings.LEDGER_ORIGIN = "market.example/log"
    settings.LEDGER_POLICY_FILE = None
    return settings


def errors() -> list[str]:
    return [str(error.id) for error in run_checks(tags=[Tags.security]) if str(error.id).startswith("ledger.E")]


def test_the_seed_comes_from_the_environment_first(tmp_path):
    assert load_seed(SEED.hex(), tmp_path / "none") == SEED
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", ["00" * 31, "zz" * 32, "00" * 33, " "])
def test_refuses_a_seed_of_another_form(text, tmp_path):
    with pytest.raises(SeedUnusable):
        load_seed(text, tmp_path / "none")


def test_the_embedded_run_makes_a_key_that_only_its_user_can_read(tmp_path):
    path = tmp_path / "keys" / "ledger.seed"
    seed = load_seed("", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_seed("", path) == seed == bytes.fromhex(path.read_text().strip())
    assert list(path.parent.iterdir()) == [path]


def test_first_users_at_once_make_one_key(tmp_path):
    barrier = Barrier(8)

    def load(_: int) -> bytes:
        barrier.wait()
        return load_seed("", tmp_path / "ledger.seed")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load, range(8)))) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "ledger.seed"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_refuses_a_file_that_others_may_read(tmp_path, mode):
    path = tmp_path / "ledger.seed"
    path.write_text(SEED.hex())
    path.chmod(mode)
    with pytest.raises(SeedUnusable, match="chmod 600"):
        load_seed("", path)
    path.chmod(0o600)
    assert load_seed("", path) == SEED


def test_production_never_makes_a_key(production, tmp_path):
    production.LEDGER_SEED_FILE = tmp_path / "ledger.seed"
    with pytest.raises(SeedUnusable):
        log_signer()
    assert errors() == ["ledger.E001"]
    assert not production.LEDGER_SEED_FILE.exists()


def test_production_with_a_key_passes_the_check(production):
    production.LEDGER_SEED_HEX = SEED.hex()
    assert errors() == []
    assert log_signer().verifier_key == NoteSigner("market.example/log", SEED).verifier_key


def test_an_origin_that_cannot_name_a_key_is_found(production):
    production.LEDGER_ORIGIN = "market example"
    assert errors() == ["ledger.E002"]


def test_who_never_signs_needs_the_verifier_key_alone(production, tmp_path):
    production.LEDGER_SEED_FILE = tmp_path / "none"
    key = NoteSigner("market.example/log", SEED).verifier_key
    production.LEDGER_VKEY = str(key)
    assert errors() == []
    assert log_verifier_key() == key
    with pytest.raises(SeedUnusable):
        log_signer()


@pytest.mark.parametrize("vkey", ["nonsense", str(NoteSigner("other.example/log", SEED).verifier_key)])
def test_refuses_a_verifier_key_of_another_log(production, tmp_path, vkey):
    production.LEDGER_SEED_FILE = tmp_path / "none"
    production.LEDGER_VKEY = vkey
    assert errors() == ["ledger.E003"]
    with pytest.raises(KeyMalformed):
        log_verifier_key()


def test_never_signs_with_a_seed_that_is_not_of_the_published_key(production):
    production.LEDGER_VKEY = str(NoteSigner("market.example/log", bytes(32)).verifier_key)
    production.LEDGER_SEED_HEX = SEED.hex()
    assert errors() == ["ledger.E001"]
    with pytest.raises(SeedUnusable, match="LEDGER_VKEY"):
        log_signer()


def test_the_command_tells_the_verifier_key(production, capsys):
    production.LEDGER_SEED_HEX = SEED.hex()
    call_command("log_vkey")
    assert capsys.readouterr().out == f"{NoteSigner('market.example/log', SEED).verifier_key}\n"


def test_a_worker_that_sequences_nothing_needs_no_seed(production, tmp_path):
    production.LEDGER_SEED_FILE = tmp_path / "none"
    app.amqp.queues.select([QUEUE])
    try:
        with pytest.raises(SystemExit):
            require_key(sender=SimpleNamespace(app=app))
        app.amqp.queues.select(["celery"])
        require_key(sender=SimpleNamespace(app=app))
    finally:
        app.amqp.queues.select(None)


def test_a_sequencer_without_a_key_does_not_start(tmp_path):
    wide = tmp_path / "ledger.seed"
    wide.write_text(SEED.hex())
    wide.chmod(0o644)
    command = [sys.executable, "-m", "celery", "-A", "marketplace", "worker", "-Q", "ledger", "--pool", "solo"]
    environment = {**os.environ, "LEDGER_SEED_FILE": str(wide), "LEDGER_SEED_HEX": ""}
    done = subprocess.run(
        command, env=environment, cwd=Path.cwd(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "chmod 600" in done.stderr
