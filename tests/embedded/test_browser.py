from pathlib import Path

import pytest
from playwright.sync_api import Page

from marketplace.embedded import browser


@pytest.mark.browser
def test_the_browser_that_was_found_shows_a_page(page: Page) -> None:
    page.set_content("<h1>Served</h1>")
    assert page.inner_text("h1") == "Served"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "LAUNCHER", tmp_path / "chromium")


def test_the_named_browser_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/opt/chromium")
    assert browser.find_chromium() == Path("/opt/chromium")


@pytest.mark.usefixtures("nothing_installed")
def test_an_unpacked_browser_is_found_last(tmp_path: Path) -> None:
    assert browser.find_chromium() is None
    (tmp_path / "chromium").touch()
    assert browser.find_chromium() == tmp_path / "chromium"


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("required", "code"), [("1", 1), ("", 0)])
def test_a_missing_browser_is_a_failure_only_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: str, code: int
) -> None:
    monkeypatch.setenv("REQUIRE_BROWSER", required)
    monkeypatch.setattr("sys.argv", ["browser"])
    with pytest.raises(SystemExit) as ended:
        browser.main()
    assert ended.value.code == code
    assert "No Chromium found" in capsys.readouterr().err
