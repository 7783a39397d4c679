"""What buyers run needs Python, PyNaCl and cbor2, and nothing else of this project's surroundings."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import grimp
import pytest

from tests.builders_origin import Origin, csv_of
from tests.builders_receipts import POLICY

ROOT = Path(__file__).resolve().parents[2]
OURS = ("devices", "ledger")
ORIGIN = Origin([(1, 1, [(0, "air_temperature", 20.5), (1, "air_temperature", 21.5)], {})])


@pytest.fixture(scope="module")
def sources() -> list[str]:
    graph = grimp.build_graph(*OURS, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)
    found = graph.find_upstream_modules("devices.verify")
    outside = {name for name in found if name.partition(".")[0] not in OURS}
    assert outside - set(sys.stdlib_module_names) == {"nacl", "cbor2"}
    return sorted([name for name in found if name not in outside and "." in name] + ["devices.verify"])


def test_is_read_in_one_sitting(sources):
    lines = {name: len((ROOT / f"{name.replace('.', '/')}.py").read_text().splitlines()) for name in sources}
    assert sum(count for name, count in lines.items() if name.startswith("devices.")) < 2300


@pytest.fixture(scope="module")
def stranger(tmp_path_factory, sources):
    """A Python with only PyNaCl and cbor2, and a folder that holds only the verifier's own files."""
    home = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    target, packages = Path(found.stdout.strip()), Path(sysconfig.get_path("purelib"))
    for pattern in ("nacl", "cffi", "pycparser", "_cffi_backend*", "cbor2", "_cbor2*"):
        for path in packages.glob(pattern):
            (target / path.name).symlink_to(path)
    for name in OURS:
        (home / name).mkdir()
    for name in sources:
        shutil.copy(ROOT / f"{name.replace('.', '/')}.py", home / f"{name.replace('.', '/')}.py")
    (home / "policy").write_text(POLICY.text())
    (home / "evidence").write_bytes(ORIGIN.evidence())
    (home / "good.csv").write_bytes(csv_of(ORIGIN.table()))
    (home / "bad.csv").write_bytes(csv_of(ORIGIN.table()).replace(b"21.5", b"21.25"))
    return home, python


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("good.csv", "evidence", "--policy", "policy"), 0),
        (("bad.csv", "evidence", "--policy", "policy"), 1),
        (("good.csv", "policy", "--policy", "policy"), 1),
        (("good.csv", "evidence"), 2),
        (("missing", "evidence"), 3),
        ((), 3),
    ],
)
def test_needs_nothing_but_two_packages(stranger, words, code):
    """-I: no environment, no user packages. The verifier's folder is added by hand, as -I leaves it out."""
    home, python = stranger
    start = (
        f"import sys, runpy; sys.path.insert(0, {str(home)!r}); runpy.run_module('devices.verify', run_name='__main__')"
    )
    done = subprocess.run(
        [python, "-I", "-c", start, *words],
        cwd=home, capture_output=True, timeout=60, env={"LC_ALL": "POSIX"}, check=False,
    )  # fmt: skip
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False), (done.stdout, done.stderr)
