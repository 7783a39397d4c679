"""What the log says about an erasure. Pure."""

from typing import Any


def erasure_done(*, is_replay: bool) -> dict[str, Any]:
    """That one account was erased, and nothing about whose.

    No handle: its key is gone, so nobody could check it, and it would only mark the entries of one person as those of
    somebody who left. No count either. An erasure that is done again after a restore says so.
    """
    return {"scope": "account", "reason": "restored_backup" if is_replay else "request"}
