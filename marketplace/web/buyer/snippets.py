"""Lines to paste: how the usual tools load what was bought. And the profile file that they read."""

from __future__ import annotations

from marketplace.access.services import delegation_key
from marketplace.delivery.sharing.protocol import SCHEMA, TABLE
from marketplace.purchases.models import Purchase


def profile_name(purchase: Purchase) -> str:
    """Not the share's name alone: two purchases of one listing are kept in one folder."""
    return f"{purchase.listing.share_name}-{purchase.public_id.hex[:6]}.share"


def snippets_of(purchase: Purchase, endpoint: str, secret: str) -> list[tuple[str, str]]:
    """(title, text) for each tool. secret: put into the line for curl only while it is on the page anyway."""
    share = purchase.listing.share_name
    table = f"{profile_name(purchase)}#{share}.{SCHEMA}.{TABLE}"
    curl = (
        f'TOKEN="{secret or "your token"}"\n'
        f'curl -H "Authorization: Bearer $TOKEN" \\\n  {endpoint}shares/{share}/all-tables'
    )
    return [
        (
            "pandas (pip install delta-sharing), in the folder with the profile file",
            f'import delta_sharing\n\nrows = delta_sharing.load_as_pandas("{table}")\nprint(rows)',
        ),
        (
            "Spark (with io.delta:delta-sharing-spark), in the folder with the profile file",
            f'rows = spark.read.format("deltaSharing").load("{table}")\nrows.show()',
        ),
        ("curl: list the tables", curl),
    ]


def delegation_lines(purchase: Purchase, secret: str) -> str:
    """A program that narrows a token, and needs nothing of ours but the key that it was signed with."""
    field, mine = purchase.listing.consent.fields[0], secret or "osb_..."
    return (
        f"""from datetime import datetime, timedelta, timezone

from biscuit_auth import Biscuit, BlockBuilder, PublicKey

MINE = "{mine}"  # what this page shows once
KEY = PublicKey("{delegation_key()}")

block = BlockBuilder(
    """
        '"""'
        """
    check if time($t), $t < {until};
    check if field($f), {fields}.contains($f);
    check if rows($n), $n <= 10000;
    """
        '"""'
        f""",
    {{
        "until": datetime.now(timezone.utc) + timedelta(days=7),
        "fields": {{"{field}"}},
    }},
)
theirs = Biscuit.from_base64(MINE.removeprefix("osb_"), KEY).append(block)
print("osb_" + theirs.to_base64())"""
    )
