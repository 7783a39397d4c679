"""Sign batches and send them, so that being killed at any moment neither loses nor doubles a reading."""

import base64
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nacl.signing import SigningKey

from devices.agent.client import ServerClient
from devices.agent.errors import CONTENT_REFUSALS, ServerRefused
from devices.agent.packs import CONTENT_TYPES, encode_pack
from devices.agent.recording import Reading, Row
from devices.agent.state import DeviceState, Pending, StateFolder
from devices.envelope import sign_envelope

BATCHES_PATH = "/api/devices/batches"
ENVELOPE_TYPE = "application/cose"


@dataclass(frozen=True)
class Totals:
    readings: int = 0
    batches: int = 0


class BatchSender:
    """Writes each batch into the state before it sends it, and the progress after the server has it."""

    def __init__(self, folder: StateFolder, state: DeviceState, key: SigningKey, client: ServerClient) -> None:
        self._folder = folder
        self._state = state
        self._key = key
        self._client = client

    def finish_pending(self) -> bool:
        """Send again what was signed before the agent was stopped. Returns whether there was anything."""
        pending = self._state.pending
        if pending is None:
            return False
        try:
            self._client.post(BATCHES_PATH, pending.envelope, ENVELOPE_TYPE)
        except ServerRefused as refusal:
            if refusal.code in CONTENT_REFUSALS:
                # Its number is free for what comes next.
                self._state.pending = None
                self._folder.write(self._state)
            if refusal.code != "clock_skew":
                raise
            # It waited too long. The same readings under the same number may be signed again.
            envelope = self._sign(pending.payload, pending.content_type, pending.sequence)
            self._client.post(BATCHES_PATH, envelope, ENVELOPE_TYPE)
        self._settle(pending)
        return True

    def send(self, readings: Sequence[Reading], *, source: str, progress: dict[str, Any], form: str) -> None:
        payload = encode_pack(readings, form=form)
        content_type = CONTENT_TYPES[form]
        sequence = self._state.next_sequence
        envelope = self._sign(payload, content_type, sequence)
        self._state.pending = Pending(
            sequence=sequence,
            content_type=content_type,
            payload_base64=base64.b64encode(payload).decode(),
            envelope_base64=base64.b64encode(envelope).decode(),
            source=source,
            progress=progress,
        )
        self._folder.write(self._state)
        self.finish_pending()

    def _sign(self, payload: bytes, content_type: str, sequence: int) -> bytes:
        return sign_envelope(
            key=self._key,
            content_type=content_type,
            payload=payload,
            issued_at=int(time.time()),
            sequence=sequence,
        )

    def _settle(self, pending: Pending) -> None:
        self._state.next_sequence = pending.sequence + 1
        self._state.progress[pending.source] = pending.progress
        self._state.pending = None
        self._folder.write(self._state)


def send_rows(
    rows: Iterable[Row],
    sender: BatchSender,
    *,
    source: str,
    batch_size: int,
    form: str,
    progress_of: Callable[[int], dict[str, Any]],
    advance: Callable[[int], None],
) -> Totals:
    """Send rows in batches of about batch_size readings; a row is never split.

    progress_of: what to remember once all lines up to a count are taken; advance: told how many rows went out.
    """
    readings: list[Reading] = []
    totals = Totals()
    row_count = line_count = 0

    def flush() -> None:
        nonlocal totals, readings, row_count
        if readings:
            sender.send(readings, source=source, progress=progress_of(line_count), form=form)
            totals = Totals(totals.readings + len(readings), totals.batches + 1)
        advance(row_count)
        readings, row_count = [], 0

    for row in rows:
        if readings and len(readings) + len(row.readings) > batch_size:
            flush()
        readings.extend(row.readings)
        row_count += 1
        line_count = row.line_count
    flush()
    return totals
