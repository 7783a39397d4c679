"""Lines to paste: how the usual tools load what was bought. And the profile file that they read."""

from __future__ import annotations

import json
from datetime import datetime

from marketplace.delivery.profile import share_profile
from marketplace.delivery.sharing_protocol import SCHEMA, TABLE
from marketplace.purchases.models import Purchase


def profile_name(purchase: Purchase) -> str:
    return f"{purchase.listing.share_name}.share"


def profile_text(endpoint: str, token: str, expires_at: datetime) -> str:
    return json.dumps(share_profile(endpoint=endpoint, token=token, expires_at=expires_at), indent=2) + "\n"


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
