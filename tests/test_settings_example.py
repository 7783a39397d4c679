import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_example_environment_names_every_setting() -> None:
    read = re.compile(r'(?:env_text|env_flag|env_number|env_list|required)\(\s*"([A-Z_]+)"')
    settings = set(read.findall((ROOT / "marketplace" / "settings.py").read_text()))
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert settings - example == set()
