"""Find a Chromium for the browser tests, fetching one where there is none. Standard library only."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium-headless-shell"
LAUNCH_FLAGS = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]
CACHE = Path(__file__).resolve().parent.parent.parent / "var" / "cache" / "chromium"
LAUNCHER = CACHE / "chromium"
MISSING = "No Chromium found and none could be installed. Install chromium, or set CHROMIUM to its path."


def find_chromium() -> Path | None:
    """Return the browser's path without installing anything: $CHROMIUM, then PATH, then the one unpacked before."""
    named = os.environ.get("CHROMIUM", "")
    if named:
        return Path(named)
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    return LAUNCHER if LAUNCHER.exists() else None


def is_browser_required() -> bool:
    """With REQUIRE_BROWSER=1 a missing browser is a failure, not a skip."""
    return os.environ.get("REQUIRE_BROWSER", "") in {"1", "true", "yes"}


def install_chromium() -> Path | None:
    """Install Chromium with apt as root or through sudo; else unpack the packages into the project's cache."""
    if not shutil.which("apt-get"):
        return None
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not as_root or succeeds(["sudo", "-n", "true"]):
        print("Installing Chromium for the browser tests ...", flush=True)
        apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
        install = [*apt, "install", "--no-install-recommends", PACKAGE, "fonts-dejavu-core"]
        if succeeds(install) or (succeeds([*apt, "update"]) and succeeds(install)):
            return find_chromium()
    return unpack_chromium()


def unpack_chromium() -> Path | None:
    """Unpack Chromium and what it needs below the checkout, without any rights."""
    print("Unpacking Chromium for the browser tests into var/cache ...", flush=True)
    shutil.rmtree(CACHE, ignore_errors=True)
    packages, root = CACHE / "packages", CACHE / "root"
    packages.mkdir(parents=True)
    root.mkdir()
    names = [name for name in needed_packages() if name not in {"libc6", "libgcc-s1", "libstdc++6"}]
    if not names or not succeeds(["apt-get", "-qq", "download", *names], folder=packages):
        return None
    for package in packages.glob("*.deb"):
        if not succeeds(["dpkg-deb", "-x", package, root]):
            return None
    program = next((path for path in root.glob("usr/lib/chromium/*headless*shell*") if os.access(path, os.X_OK)), None)
    if program is None:
        return None
    shutil.rmtree(packages)
    write_launcher(program, root)
    return LAUNCHER


def needed_packages() -> list[str]:
    """List Chromium's package, the ones it depends on, and a font."""
    command = ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]
    command += ["--no-breaks", "--no-replaces", "--no-enhances", "--no-pre-depends", PACKAGE, "fonts-dejavu-core"]
    with contextlib.suppress(OSError):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return sorted({line for line in answer.stdout.splitlines() if line and not line.startswith((" ", "<", "|"))})
    return []


def write_launcher(program: Path, root: Path) -> None:
    """Write a script that starts the unpacked Chromium with its own libraries and fonts."""
    libraries = {str(path.parent) for path in root.glob("**/*.so*")}
    fonts = CACHE / "fonts.conf"
    fonts.write_text(
        f"<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{CACHE}/fonts</cachedir></fontconfig>\n",
    )
    LAUNCHER.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH='{':'.join(sorted(libraries))}'\n"
        f"export FONTCONFIG_FILE='{fonts}'\n"
        f"exec '{program}' \"$@\"\n"
    )
    LAUNCHER.chmod(0o755)


def succeeds(command: Sequence[str | Path], folder: Path | None = None) -> bool:
    try:
        return subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def main() -> None:
    """Make sure that a browser is there. Ends with code 1 without one only when it is required."""
    parser = argparse.ArgumentParser(description="Find or install the browser that the tests drive.")
    parser.parse_args()
    found = find_chromium() or install_chromium()
    if found is None:
        print(MISSING + ("" if is_browser_required() else " Browser tests will be skipped."), file=sys.stderr)
        sys.exit(1 if is_browser_required() else 0)


if __name__ == "__main__":
    main()
