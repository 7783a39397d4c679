"""The agent's four commands: enrol, send, simulate, status."""

import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from devices.agent.client import DEFAULT_TRIES, ServerClient
from devices.agent.errors import AgentError
from devices.agent.mapping import Mapping
from devices.agent.recording import Recording, Row
from devices.agent.sending import BatchSender, Totals, send_rows
from devices.agent.shapes import KINDS, samples_at
from devices.agent.state import DeviceState, StateFolder
from devices.didkey import did_key
from devices.proof import proof_message

NONCE_PATH = "/api/devices/nonce"
ENROL_PATH = "/api/devices/enrol"
_FIRST_HISTORY_SECONDS = 86_400


def enrol(folder: StateFolder, *, server: str, code: str, tries: int = DEFAULT_TRIES) -> None:
    if folder.exists() and folder.read().device:
        raise AgentError(f"{folder.folder} holds an enrolled device already. Choose another folder with --state.")
    client = ServerClient(server, tries=tries)
    key = folder.make_key()
    # Written first: if the answer is lost, the device is enrolled all the same and can send.
    folder.write(DeviceState(server=server))
    public_key = bytes(key.verify_key)
    nonce = b64decode(client.post_json(NONCE_PATH, {"code": code})["nonce"])
    proof = key.sign(proof_message(nonce, code, public_key)).signature
    answer = client.post_json(
        ENROL_PATH,
        {
            "code": code,
            "public_key": b64encode(public_key).decode(),
            "nonce": b64encode(nonce).decode(),
            "proof": b64encode(proof).decode(),
        },
    )
    folder.write(DeviceState(server=server, device=answer["device"], name=answer["name"], kind=answer["kind"]))
    print(f"Enrolled as {answer['name']} ({answer['issuer']}).")
    print(f"The key is in {folder.folder} and never leaves it. Next: send FILE or simulate{folder.option}.")


def send_file(
    folder: StateFolder, path: Path, mapping: Mapping, *, batch_size: int, form: str, tries: int = DEFAULT_TRIES
) -> Totals:
    state = folder.read()
    recording = Recording(path, mapping)
    sender = BatchSender(folder, state, folder.read_key(), ServerClient(state.server, tries=tries))
    if sender.finish_pending():
        print("Finished the batch that was under way when the agent stopped.")
    # What was sent through another mapping was sent as something else.
    source = f"{path.resolve()} {hashlib.sha256(repr(mapping).encode()).hexdigest()[:16]}"
    taken = state.progress.get(source, {"lines": 0, "digest": ""})
    line_count = int(taken["lines"])
    if recording.digest(line_count) != taken["digest"]:
        line_count = 0
    if line_count:
        print(f"Going on behind line {line_count:,}.")
    with tqdm(total=len(recording.lines), initial=line_count, unit=" rows", desc=path.name, disable=None) as bar:
        totals = send_rows(
            recording.rows(line_count),
            sender,
            source=source,
            batch_size=batch_size,
            form=form,
            progress_of=lambda lines: {"lines": lines, "digest": recording.digest(lines)},
            advance=bar.update,
        )
    print(said(totals) if totals.batches else "There is nothing new in the file: all of it was sent before.")
    return totals


def simulate(
    folder: StateFolder,
    *,
    kind: str | None,
    start: float | None,
    until: float | None,
    every: int,
    seed: int | None,
    is_live: bool,
    batch_size: int,
    form: str,
    tries: int = DEFAULT_TRIES,
) -> Totals:
    """Send made-up history up to `until` (None: now); with is_live, go on with one batch each `every` seconds."""
    state = folder.read()
    key = folder.read_key()
    kind = kind or (state.kind if state.kind in KINDS else "weather_station")
    if seed is None:
        seed = int.from_bytes(hashlib.sha256(bytes(key.verify_key)).digest()[:4], "big")
    sender = BatchSender(folder, state, key, ServerClient(state.server, tries=tries))
    sender.finish_pending()
    source = f"simulate {kind}"
    if start is None:
        started = state.progress.get(source, {}).get("until", time.time() - _FIRST_HISTORY_SECONDS)
        start = started + every if source in state.progress else started
    totals = Totals()
    while True:
        end = min(until or time.time(), time.time())
        moments = range(int(-(-start // every)) * every, int(end) + 1, every)
        with tqdm(total=len(moments), unit=" moments", desc=kind, disable=True if totals.batches else None) as bar:
            sent = send_rows(
                _simulated_rows(kind, seed, moments),
                sender,
                source=source,
                batch_size=batch_size,
                form=form,
                progress_of=lambda moment: {"until": moment},
                advance=bar.update,
            )
        totals = Totals(totals.readings + sent.readings, totals.batches + sent.batches)
        if moments:
            start = moments[-1] + every
        if not is_live or (until is not None and until <= time.time()):
            break
        print(f"{time.strftime('%H:%M:%S')}  {said(totals)}", flush=True)
        time.sleep(max(start - time.time(), 0.2))
    print(said(totals))
    return totals


def _simulated_rows(kind: str, seed: int, moments: range) -> Iterator[Row]:
    for moment in moments:
        samples = samples_at(kind, seed=seed, unix_seconds=moment)
        yield Row(moment, [(float(moment), name, value, unit) for name, value, unit in samples])


def show_status(folder: StateFolder) -> None:
    state = folder.read()
    key = folder.read_key()
    print(f"Device     {state.name or 'enrolment not confirmed'} {state.device}")
    print(f"Server     {state.server}")
    print(f"Key        {did_key(bytes(key.verify_key))}")
    print(f"Batches    {state.next_sequence - 1:,} taken by the server")
    if state.pending:
        print(f"Under way  batch {state.pending.sequence:,}; it goes first at the next send")
    for source, progress in state.progress.items():
        name = source.rpartition(" ")[0] if "lines" in progress else source
        reached = f"{progress['lines']:,} lines" if "lines" in progress else "up to " + _clock(progress["until"])
        print(f"Sent       {name}: {reached}")


def said(totals: Totals) -> str:
    return f"Sent {totals.readings:,} readings in {totals.batches:,} signed batches."


def _clock(unix_seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_seconds))
