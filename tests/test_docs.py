"""What the README and the pages of docs/ point to is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = [link for link in LINK.findall(CODE.sub("", document.read_text())) if "://" not in link]
    assert [link for link in links if not leads_somewhere(document, link)] == []


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, place = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists():
        return False
    return not place or place in {anchor(heading) for heading in HEADING.findall(target.read_text())}


def anchor(heading: str) -> str:
    """The name that a heading gets where such pages are shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_readme_tells_what_continuous_integration_runs() -> None:
    commands = re.findall(r"^(?:exec )?(make \w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert commands == ["make check", "make test"]
    readme = (ROOT / "README.md").read_text()
    assert [command for command in commands if f"`{command}`" not in readme and f"\n{command} " not in readme] == []


def test_no_service_of_compose_loses_what_all_of_them_share() -> None:
    """A list of volumes replaces the one that was merged in."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    shared = set(compose["x-app"]["volumes"])
    ours = {name: service for name, service in compose["services"].items() if service.get("image") == "ownstream:local"}
    assert set(ours) >= {"web", "worker", "sequencer", "beat", "migrate"}
    assert {name for name, service in ours.items() if not shared <= set(service["volumes"])} == set()
    named = {volume.split(":")[0] for service in ours.values() for volume in service["volumes"]}
    assert {name for name in named if not name.startswith(".")} <= set(compose["volumes"])
