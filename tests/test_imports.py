"""What a package may import from another one, and that a file which calls itself pure is so."""

import ast
import re
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
TOPS = ("marketplace", "ledger", "devices")
# Everywhere: what acts, what it refuses, and rows for reading. Pure files take and give values, so they are open, too.
PUBLIC_NAMES = {"services", "errors", "models"}
# And these, each with what others come for.
PUBLIC = {
    "devices.agent",  # A program of its own; the demo's devices are made of its parts.
    "devices.announcing",
    "devices.arrivals",
    "devices.originals",
    "devices.readings",
    "ledger.dashboard",  # The admin site shows it.
    "ledger.freezing",
    "ledger.inspection",
    "ledger.receipt_building",
    "ledger.reconciliation",  # Features say where their rows name an entry.
    "ledger.signing",
    "ledger.visits",
    "marketplace.accounts.groups",
    "marketplace.accounts.places",
    "marketplace.consents.standing",
    "marketplace.delivery.live.app",  # The process of live streams.
    "marketplace.delivery.live.page",
    "marketplace.delivery.exports.door",
    "marketplace.delivery.evidence.door",
    "marketplace.delivery.exports.making",
    "marketplace.delivery.tables.preview",
    "marketplace.delivery.tables.projection",
    "marketplace.delivery.reads.sight",
    "marketplace.delivery.reads.summarising",
    "marketplace.listings.catalogue",
    "marketplace.purchases.ordering",
    "marketplace.purchases.sight",
    "marketplace.wallet.providers",
}
# No feature, but what all of them stand on; import-linter checks that these import no feature.
COMMON = {
    "addresses",
    "celery",
    "content_security",
    "countries",
    "embedded",
    "environment",
    "errors",
    "file_storage",
    "logs",
    "oauth_clients",
    "readonly",
    "rights",
    "schedule",
    "timestamps",
}
FRAMEWORKS = ("django", "rest_framework", "celery", "allauth")


def pure_modules() -> list[str]:
    """Every file whose docstring says "Pure": it needs no Django, so that others can reuse or port it."""
    found = []
    for path in sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        if re.search(r"\bpure\b", docstring, re.IGNORECASE):
            found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


PURE_MODULES = pure_modules()


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*TOPS, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)


def test_the_arithmetic_that_others_check_us_with_is_pure() -> None:
    assert {"ledger.merkle", "ledger.notes", "marketplace.purchases.pricing"} <= set(PURE_MODULES)


@pytest.mark.parametrize("module", PURE_MODULES)
def test_pure_modules_need_no_framework(graph: grimp.ImportGraph, module: str) -> None:
    chains = [graph.find_shortest_chain(module, name) for name in FRAMEWORKS if name in graph.modules]
    assert [" -> ".join(chain) for chain in chains if chain] == []


def package_of(module: str) -> str:
    """Return the room that a module is in: ledger, devices, or a folder of marketplace."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "marketplace" else parts[0]


def foreign_imports(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Return (importer, imported) wherever one feature imports from another one."""
    modules = {module for module in graph.modules if module.split(".")[0] in TOPS}
    return {
        (importer, imported)
        for importer in modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported in modules and package_of(imported) != package_of(importer) and not is_common(imported)
    }


def is_common(module: str) -> bool:
    return module.startswith("marketplace.") and module.split(".")[1] in COMMON


def is_public(module: str) -> bool:
    return module.rsplit(".", maxsplit=1)[-1] in PUBLIC_NAMES or module in PURE_MODULES or bool(listed(module))


def listed(module: str) -> set[str]:
    return {name for name in PUBLIC if module == name or module.startswith(f"{name}.")}


def test_only_public_modules_are_imported_from_elsewhere(graph: grimp.ImportGraph) -> None:
    assert sorted(pair for pair in foreign_imports(graph) if not is_public(pair[1])) == []


def test_the_list_of_public_modules_is_short(graph: grimp.ImportGraph) -> None:
    """What nobody comes for any more, or is pure by now, leaves the list."""
    used = {name for _, imported in foreign_imports(graph) for name in listed(imported)}
    assert sorted(PUBLIC - used) == []
    assert PUBLIC & set(PURE_MODULES) == set()
