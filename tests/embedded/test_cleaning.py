import re
import subprocess
from pathlib import Path

import pytest

from marketplace.embedded.programs import SHARED_FOLDER

MAKEFILE = Path(__file__).resolve().parent.parent.parent / "Makefile"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout and, beside it, what servers of two runs left when they ran as root."""
    for name in ("checkout/var", "checkout/.venv", "shared/0f0f-77/pg", "shared/other"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "checkout"


def clean(checkout: Path) -> None:
    command = ["make", "-f", str(MAKEFILE), "clean", f"SHARED={checkout.parent / 'shared'}"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def left_in_shared(checkout: Path) -> set[str]:
    return {path.name for path in (checkout.parent / "shared").iterdir()}


def test_removes_the_data_of_this_checkout_s_servers_only(checkout: Path) -> None:
    (checkout / "var" / "services.name").write_text("0f0f-77")
    clean(checkout)

    assert list(checkout.iterdir()) == []
    assert left_in_shared(checkout) == {"other"}


@pytest.mark.parametrize("name", [None, "", "..", "../checkout", ".", "0f0f-77 other"])
def test_removes_nothing_there_without_a_proper_name(checkout: Path, name: str | None) -> None:
    if name is not None:
        (checkout / "var" / "services.name").write_text(name)
    clean(checkout)

    assert list(checkout.iterdir()) == []
    assert left_in_shared(checkout) == {"0f0f-77", "other"}


def test_looks_where_the_servers_keep_their_data() -> None:
    written = re.search(r"^SHARED := (.+)$", MAKEFILE.read_text(), re.MULTILINE)
    assert written is not None
    assert Path(written.group(1)) == SHARED_FOLDER
