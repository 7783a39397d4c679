from datetime import datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, make_signing_device


@pytest.fixture(autouse=True)
def files_folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def station(sara: User, now: datetime) -> SigningDevice:
    return make_signing_device(sara, now)
