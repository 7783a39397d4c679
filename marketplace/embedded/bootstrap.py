"""Make the Python environments from the lock files. Run by a bare python3: standard library only, no package of ours.

python3 marketplace/embedded/bootstrap.py            .venv for running
python3 marketplace/embedded/bootstrap.py --dev      .venv for developing and testing
python3 marketplace/embedded/bootstrap.py --clients  .venv-clients: outside clients that buyers use
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("Ownstream needs Python 3.11 or later; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])

import configparser
import fcntl
import hashlib
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "var" / "cache"
UV_REQUIREMENT = "uv>=0.9,<1"
LOCKS = {
    "--run": (".venv", "requirements.lock"),
    "--dev": (".venv", "requirements-dev.lock"),
    "--clients": (".venv-clients", "requirements-clients.lock"),
}


def main(words: list[str]) -> None:
    unknown = [word for word in words if word not in LOCKS]
    if unknown:
        sys.exit(f"Unknown option {unknown[0]}. {__doc__}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for word in words or ["--run"]:
            name, lock_name = LOCKS[word]
            make_environment(ROOT / name, ROOT / lock_name)


def make_environment(environment: Path, lock: Path) -> None:
    """Bring one environment to what its lock file says; do nothing when it is there already."""
    stamp = environment / "lock.sha256"
    if stamp.exists() and stamp.read_text() in accepted_stamps(lock):
        return
    print(f"Installing {lock.name} into {environment.name} ...", flush=True)
    stamp.unlink(missing_ok=True)
    if not made_with_uv(environment, lock):
        make_with_pip(environment, lock)
    stamp.write_text(digest(lock))


def accepted_stamps(lock: Path) -> set[str]:
    """The development lock holds everything that the running one does, with the same versions."""
    both = {"requirements.lock": ["requirements.lock", "requirements-dev.lock"]}
    return {digest(lock.with_name(name)) for name in both.get(lock.name, [lock.name])}


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()


def made_with_uv(environment: Path, lock: Path) -> bool:
    uv = find_uv()
    if uv is None:
        return False
    settings = uv_settings()
    python = environment / "bin" / "python"
    if not is_ours(python) and not succeeds(
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], settings
    ):
        return False
    return succeeds(
        [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", "--compile-bytecode", lock], settings
    )


def find_uv() -> Path | None:
    """Return uv from PATH, else from our cache, installing it there with pip."""
    on_path = shutil.which("uv")
    if on_path:
        return Path(on_path)
    folder = CACHE / "uv"
    program = folder / "bin" / "uv"
    if program.exists():
        return program
    pip: list[str | Path] = [sys.executable, "-m", "pip"]
    if not succeeds([*pip, "--version"], quiet=True):
        # Debian splits pip off; a throw-away environment brings its own.
        venv.create(CACHE / "pip", with_pip=True)
        pip = [CACHE / "pip" / "bin" / "python", "-m", "pip"]
    command = [
        *pip,
        "install",
        "--quiet",
        "--root-user-action=ignore",
        "--disable-pip-version-check",
        "--target",
        folder,
        UV_REQUIREMENT,
    ]
    return program if succeeds(command) and program.exists() else None


def uv_settings() -> dict[str, str]:
    """Translate pip's settings, which uv does not read, into uv's. uv's own settings win."""
    pip = pip_configuration()
    settings = dict(os.environ) | {"UV_PYTHON_DOWNLOADS": "never"}
    translated = {
        "UV_DEFAULT_INDEX": pip("index-url"),
        "UV_INDEX": pip("extra-index-url"),
        "UV_FIND_LINKS": ",".join(pip("find-links").split()),
        "SSL_CERT_FILE": pip("cert"),
        "UV_HTTP_TIMEOUT": pip("timeout"),
    }
    if "UV_INDEX_URL" in settings:
        del translated["UV_DEFAULT_INDEX"]
    # pip takes the best file from all of its indexes; hashes make that as safe here.
    translated["UV_INDEX_STRATEGY"] = "unsafe-best-match" if translated["UV_INDEX"] else ""
    for name, value in translated.items():
        if value:
            settings.setdefault(name, value)
    # Without a cache of uv's own configured, keep the files on the disk of the checkout, where links are cheap.
    settings.setdefault("UV_LINK_MODE", "copy" if os.environ.get("UV_CACHE_DIR") else "hardlink")
    settings.setdefault("UV_CACHE_DIR", str(CACHE / "uv-files"))
    return settings


def pip_configuration() -> Callable[[str], str]:
    """Return a function from an option's name to pip's value: PIP_ variables, else pip's own files."""
    parser = configparser.RawConfigParser()
    home = Path.home()
    configured = os.environ.get("PIP_CONFIG_FILE", "")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"]
    files += [Path(configured)] if configured else []
    try:
        parser.read(files)
    except configparser.Error:
        parser = configparser.RawConfigParser()

    def value(option: str) -> str:
        from_environment = os.environ.get("PIP_" + option.upper().replace("-", "_"), "")
        in_files = [parser.get(section, option, fallback="") for section in ("install", "global")]
        return from_environment or in_files[0] or in_files[1]

    return value


def make_with_pip(environment: Path, lock: Path) -> None:
    python = environment / "bin" / "python"
    print("uv is not to be had or failed; installing with pip instead.", flush=True)
    venv.create(environment, with_pip=True, clear=True)
    if not succeeds([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock]):
        sys.exit(f"Could not install {lock.name}. Is a Python package index reachable? See the lines above.")


def is_ours(python: Path) -> bool:
    """Say whether the environment's Python exists and is of the version that runs this file."""
    if not python.exists():
        return False
    version = "import sys; print(sys.version)"
    answer = subprocess.run([python, "-c", version], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == sys.version.strip()


def succeeds(command: Sequence[str | Path], environment: dict[str, str] | None = None, *, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
