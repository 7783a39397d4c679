"""docs/webhooks.md tells what is sent, and its example works."""

import re
import time
from pathlib import Path
from typing import Any

from marketplace.notices.kinds import FACTS_OF_KIND
from marketplace.notices.signatures import new_secret, secret_text, signed_headers

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "webhooks.md").read_text()


def example() -> dict[str, Any]:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)  # The page's own code, as its readers run it.
    return names


def test_the_example_tells_ours_from_others() -> None:
    is_ours = example()["is_ours"]
    old, new = new_secret(), new_secret()
    now = int(time.time())
    body = b'{"type":"sale"}'
    headers = signed_headers(secrets=[new, old], message_id="msg_1", timestamp=now, body=body)
    for secret in (old, new):
        assert is_ours(secret_text(secret), headers, body)
    assert not is_ours(secret_text(new_secret()), headers, body)
    assert not is_ours(secret_text(new), headers, body + b" ")
    assert not is_ours(secret_text(new), headers | {"webhook-id": "msg_2"}, body)
    late = signed_headers(secrets=[new], message_id="msg_1", timestamp=now - 301, body=body)
    assert not is_ours(secret_text(new), late, body)


def test_the_page_lists_each_kind_with_its_facts() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+)", PAGE, re.MULTILINE))
    told = {kind: tuple(facts.strip().split(", ")) for kind, facts in rows.items() if kind in set(FACTS_OF_KIND)}
    assert told == {kind.value: facts for kind, facts in FACTS_OF_KIND.items()}
