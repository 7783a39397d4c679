import pytest

from marketplace.embedded.addresses import browser_address


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("", "", "http://127.0.0.1:8000"),
        ("127.0.0.1", 8123, "http://127.0.0.1:8123"),
        ("0.0.0.0", "8000", "http://127.0.0.1:8000"),
        ("::", "8000", "http://[::1]:8000"),
        ("fd00::7", "8000", "http://[fd00::7]:8000"),
        ("market.local", "80", "http://market.local:80"),
    ],
)
def test_names_an_address_that_a_browser_can_open(host: str, port: str | int, address: str) -> None:
    assert browser_address(host, port) == address
