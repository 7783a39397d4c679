"""The official Delta Sharing client, run as a buyer runs it: in an environment of its own, as another process."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.listings.models import Listing
from tests.builders_delivery import buy_token

CLIENT = Path(settings.BASE_DIR) / ".venv-clients" / "bin" / "python"

# Times as whole microseconds, values as repr: nothing is rounded on the way to this test.
LOAD = """
import json, sys
import delta_sharing
profile, table, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
frame = delta_sharing.load_as_pandas(f"{profile}#{table}", **options)
times = [moment.value // 1000 for moment in frame["time"]]
values = {name: [repr(float(value)) for value in frame[name]] for name in frame.columns[2:]}
print(json.dumps({"columns": list(frame.columns), "times": times, "devices": list(frame["device"]), "values": values}))
"""
CHANGES = """
import json, sys
import delta_sharing
profile, table, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
frame = delta_sharing.load_table_changes_as_pandas(f"{profile}#{table}", **options)
moments = frame["_commit_timestamp"]
if moments.dtype != "int64":
    moments = [moment.value // 1000000 for moment in moments]
rows = zip(
    frame["_commit_version"],
    frame["_change_type"],
    [moment.value // 1000 for moment in frame["time"]],
    frame["device"],
    [[repr(float(value)) for value in row] for row in frame[frame.columns[2:-3]].itertuples(index=False)],
    moments,
)
print(json.dumps([[int(row[0]), *row[1:5], int(row[5])] for row in rows]))
"""
LIST = """
import json, sys
import delta_sharing
tables = delta_sharing.SharingClient(sys.argv[1]).list_all_tables()
print(json.dumps([[table.share, table.schema, table.name] for table in tables]))
"""


@dataclass
class Reader:
    """ben with his profile file and the client."""

    profile: Path
    table: str

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(CLIENT), "-c", program, str(self.profile), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def load(self, **options: Any) -> dict[str, Any]:
        done = self.run(LOAD, self.table, json.dumps(options))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def changes(self, **options: Any) -> list[tuple[Any, ...]]:
        """Return (version, kind, microseconds, device, values, milliseconds of the commit)."""
        done = self.run(CHANGES, self.table, json.dumps(options))
        assert done.returncode == 0, done.stderr
        # In the Delta form the client prints figures of its own first.
        return sorted(
            (version, kind, time, device, values, at)
            for version, kind, time, device, values, at in json.loads(done.stdout.splitlines()[-1])
        )


def reader_of(listing: Listing, ben: User, at: datetime, server: LiveServer, folder: Path) -> Reader:
    _, text = buy_token(listing, ben, at)
    profile = folder / "profile.share"
    endpoint = f"{server.url}/delta-sharing"
    profile.write_text(json.dumps({"shareCredentialsVersion": 1, "endpoint": endpoint, "bearerToken": text}))
    return Reader(profile, f"{listing.share_name}.data.readings")


def microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
