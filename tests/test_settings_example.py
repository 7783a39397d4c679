import re
from pathlib import Path

from marketplace.environment import DATABASE_PARTS

ROOT = Path(__file__).resolve().parent.parent


def test_the_example_environment_names_every_setting() -> None:
    read = re.compile(r'(?:env_text|env_flag|env_number|env_list|env_choice|required)\(\s*"([A-Z_]+)"')
    sources = [ROOT / "marketplace" / name for name in ("settings.py", "environment.py", "file_storage.py")]
    settings = {name for source in sources for name in read.findall(source.read_text())} | set(DATABASE_PARTS)
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert settings - example == set()
