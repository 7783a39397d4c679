"""What outsiders run themselves needs Python and PyNaCl, and nothing else of this project's surroundings."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ["ledger.witness", "ledger.verify"]
# PyNaCl reaches libsodium through cffi.
LOADED_BY_PYNACL = {"nacl", "_sodium", "cffi", "_cffi_backend", "pycparser"}
LOAD = """
import importlib, sys
sys.path.insert(0, {root!r})
before = set(sys.modules)
importlib.import_module({module!r})
print(*{{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names))
"""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "ledger", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


@pytest.mark.parametrize("module", PROGRAMS)
def test_loads_only_pynacl(module):
    program = LOAD.format(root=str(ROOT), module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"ledger", "nacl"} <= set(done.stdout.split()) <= {"ledger", *LOADED_BY_PYNACL}


@pytest.mark.parametrize("module", PROGRAMS)
def test_imports_only_pynacl_also_within_functions(graph, module):
    outside = {name for name in graph.find_upstream_modules(module) if not name.startswith("ledger")}
    assert outside - set(sys.stdlib_module_names) == {"nacl"}


def test_the_witness_is_read_in_one_sitting(graph):
    """It and all of ours that it imports, which its first lines name."""
    ours = {name for name in graph.find_upstream_modules("ledger.witness") if name.startswith("ledger.")}
    assert ours == {
        f"ledger.{name}"
        for name in ["bounded_server", "cosignatures", "durable", "errors", "merkle", "notes", "submissions"]
    }
    paths = [ROOT / f"{name.replace('.', '/')}.py" for name in [*ours, "ledger.witness"]]
    assert sum(len(path.read_text().splitlines()) for path in paths) < 1200
