"""The program that buyers run over a download and its evidence, as they run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.verify import main
from tests.builders_origin import Origin, csv_of, ndjson_of, senml_of
from tests.builders_receipts import POLICY

ROOT = Path(__file__).resolve().parents[2]
TEMPERATURE, WIND = "air_temperature", "wind/speed"
ORIGIN = Origin(
    [
        (1, 1, [(0, TEMPERATURE, 20.1), (0, WIND, 3.25), (1, TEMPERATURE, 20.2)], {}),
        (1, 2, [(2, TEMPERATURE, 1 / 3), (1, WIND, -0.0)], {}),
        (1, 4, [(2, TEMPERATURE, 20.5)], {}),
        (3, 7, [(0, TEMPERATURE, 1e300), (1, WIND, 5e-324)], {}),
    ]
)
ROWS = ORIGIN.table()
WRITERS = {"csv": csv_of, "ndjson": ndjson_of, "senml": senml_of}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "policy").write_text(POLICY.text())
    (tmp_path / "evidence").write_bytes(ORIGIN.evidence())
    (tmp_path / "download").write_bytes(csv_of(ROWS))
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Call the program and return its exit code and everything that it printed."""

    def call(*words, download=None, evidence=None):
        if download is not None:
            (folder / "download").write_bytes(download)
        if evidence is not None:
            (folder / "evidence").write_bytes(evidence)
        words = words or ("--policy", folder / "policy")
        code = main([str(word) for word in (folder / "download", folder / "evidence", *words)])
        return code, "".join(capsys.readouterr())

    return call


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("is_cbor", [False, True])
def test_a_download_is_what_the_devices_signed(run, form, is_cbor):
    origin = Origin(ORIGIN.batches, is_cbor=is_cbor)
    code, text = run(download=WRITERS[form](origin.table()), evidence=origin.evidence())
    assert code == 0, text
    assert "PROVED      The log says in entry 1, which is final, that the key" in text
    assert "PROVED      These keys signed 4 envelopes with 8 readings." in text
    assert "RESULT      Good: every row is what devices signed, under keys that the log knows." in text


def test_a_part_of_the_columns_and_of_the_rows_is_proven_too(run):
    part = [{name: row[name] for name in ("time", "device", TEMPERATURE)} for row in ROWS[2:]]
    code, text = run(download=csv_of(part))
    assert code == 0, text
    assert "PROVED      3 of 3 rows: what the devices signed" in text


def test_without_a_policy_of_ones_own_nothing_is_final(run):
    code, text = run("--received-until", "2027-01-01T00:00:00Z")
    assert (code, "a policy that you trust, which shows whose log it is" in text) == (2, True)


def test_an_entry_that_no_witness_saw_is_not_final(run):
    code, text = run(evidence=Origin(ORIGIN.batches, witnesses=1).evidence())
    assert (code, "witnesses for the log's entry of a key" in text) == (2, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {TEMPERATURE: 20.200000000000003},
            "Row 3 (line 4): device-1 at 2026-03-13T09:01:00Z: air_temperature is 20.2",
        ),
        ({"wind_speed": 0.0}, "wind_speed is 0.0 in the file, and -0.0 in what the device signed."),
        ({TEMPERATURE: None}, "air_temperature is None in the file, and 20.2 in what the device signed."),
        (
            {"time": "2026-03-13T09:01:30Z"},
            "Not in the file: 1 signed row, the first: device-1 at 2026-03-13T09:01",
        ),
        ({"device": "device-3"}, "Row 3 (line 4): device-3 at 2026-03-13T09:01:00Z: wind_speed is -0.0"),
        ({TEMPERATURE: "nan"}, "Line 4: 'nan' is not a number."),
        ({TEMPERATURE: "20.20000000000000001"}, "Line 4: '20.20000000000000001' is not the shortest way to write"),
        ({"time": "2026-03-13 09:01:00"}, "Line 4: '2026-03-13 09:01:00' is not a time in RFC 3339, UTC."),
    ],
)
def test_names_the_row_that_was_changed(run, change, said):
    code, text = run(download=csv_of([*ROWS[:2], ROWS[2] | change, *ROWS[3:]]))
    assert (code, said in text) == (1, True), text
    assert "RESULT      Bad. Do not rely on it." in text


def test_a_row_that_was_taken_out_is_missed_and_one_that_stands_there_twice_is_named(run):
    code, text = run(download=csv_of([*ROWS[:1], *ROWS[2:]]))
    assert (code, "Not in the file: 1 signed row, the first: device-3 at 2026-03-13T09:00:00Z" in text) == (1, True)
    code, text = run(download=csv_of([*ROWS[:2], *ROWS[1:]]))
    assert (code, "Row 3 (line 4): device-3 at 2026-03-13T09:00:00Z stands in the file twice." in text) == (1, True)


def test_a_row_without_evidence_is_not_proven_and_not_bad(run):
    origin = Origin(ORIGIN.batches[:3], withheld={"fields": 1})
    code, text = run(evidence=origin.evidence())
    assert code == 2
    assert "NOT PROVED  Without evidence: 2 rows, the first: Row 2 (line 3): device-3 at 2026-03-13T09:00:00Z." in text
    assert "NOTE        Not here: 1 envelope. They also hold fields that were not bought." in text


def test_a_reading_that_a_withheld_batch_replaced_is_not_proven(run):
    batches = [(*ORIGIN.batches[0][:3], {"replaced": (2,)}), *ORIGIN.batches[1:]]
    code, text = run(evidence=Origin(batches, withheld={"fields": 1}).evidence())
    assert code == 2
    assert "the first: Row 3 (line 4): device-1 at 2026-03-13T09:01:00Z" in text
    assert "Replaced by others, by the market's word: 1 reading." in text


def test_a_download_of_before_a_correction_is_checked_as_of_then(run, folder):
    older = Origin([ORIGIN.batches[0], ORIGIN.batches[1], ORIGIN.batches[3]]).table()
    code, text = run(download=csv_of(older))
    assert (code, "air_temperature is 0.3333333333333333 in the file, and 20.5" in text) == (1, True)
    # Batch 4 came at minute 10,004, and batch 7 after it.
    code, text = run("--policy", folder / "policy", "--received-until", "2026-03-20T07:43:00Z")
    assert (code, "Left out, as later than you asked for: 2 envelopes" in text) == (2, True)


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_an_envelope_of_another_key_is_bad(run, number):
    lines = ORIGIN.lines()
    stranger = Origin([(9, *batch[1:]) for batch in ORIGIN.batches]).lines()
    # Header, two keys here and one there, then the envelopes.
    lines[number] = stranger[number - 1].replace(b"device-9", b"device-1" if number < 6 else b"device-3")
    code, text = run(evidence=b"".join(lines))
    assert (code, f"Line {number + 1} of the evidence: No key of device" in text) == (1, True)


def test_a_key_that_nothing_proves_proves_no_row(run):
    origin = Origin(ORIGIN.batches)
    key = origin.keys[0]
    origin.keys[0] = type(key)(key.device, key.public_key, lacking="It was deleted.")
    code, text = run(evidence=origin.evidence())
    assert code == 2
    assert "of device-1 was ever enrolled. It was deleted." in text
    assert "NOT PROVED  Without evidence: 3 rows, the first: Row 1 (line 2): device-1" in text


def test_a_receipt_of_another_key_is_bad(run):
    origin = Origin(ORIGIN.batches)
    one, other = origin.keys
    origin.keys[0] = type(one)(one.device, one.public_key, other.receipt, other.disclosure)
    code, text = run(evidence=origin.evidence())
    assert (code, "Line 2 of the evidence: The entry does not say that this key was enrolled." in text) == (1, True)
    assert "the first: Row 1 (line 2): device-1" in text


def test_a_unit_that_the_device_did_not_name_is_bad(run):
    evidence = ORIGIN.evidence().replace(b'"unit":"Cel"', b'"unit":"[degF]"')
    code, text = run(evidence=evidence)
    assert (code, "another unit than its column is said to have" in text) == (1, True)


def test_a_cut_file_is_not_whole(run):
    lines = ORIGIN.lines()
    code, text = run(evidence=b"".join(lines[:-1]))
    assert (code, "The evidence has no end, so it is not whole." in text) == (1, True)
    code, text = run(evidence=b"".join([*lines[:4], *lines[5:]]))
    assert (code, "says that it holds 4 envelopes; not so many are good" in text) == (1, True)
    assert run(download=csv_of(ROWS)[:-3])[0] == 1


def test_a_list_without_its_end_is_not_whole(run):
    for end in (b"\x1d\n", b"\n", b" \n"):
        code, text = run(download=senml_of(ROWS).removesuffix(b"]\n") + end)
        assert (code, "Line" in text or "The list has no end" in text) == (1, True), text


@pytest.mark.parametrize(("start", "form"), [(b"PAR1", "Parquet file"), (b"\xff\xff\xff\xff", "Arrow stream")])
def test_what_is_not_read_here_is_not_compared_and_not_bad(run, start, form):
    code, text = run(download=start + b" and more")
    assert (code, f"NOT PROVED  Anything about this {form}" in text) == (2, True)


def test_wrong_usage_is_told_apart(run, folder):
    assert run("--policy", folder / "missing")[0] == 3
    assert run("--received-until", "tomorrow")[0] == 3
    assert main([str(folder / "download")]) == 3
    (folder / "policy").write_text("nonsense\n")
    assert run("--policy", folder / "policy")[0] == 1


flips = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@flips
@given(data=st.data(), form=st.sampled_from(sorted(WRITERS)))
def test_one_bit_in_the_data_is_found(run, data, form):
    good = WRITERS[form](ROWS)
    code, text = run(download=_flipped(data, good), evidence=ORIGIN.evidence())
    assert code in {1, 2}, text
    assert re.search(r"Row \d|Line \d|Not in the file|line 1|CSV", text), text


@flips
@given(data=st.data(), number=st.integers(3, 6))
def test_one_bit_in_an_envelope_names_the_row(run, data, number):
    lines = ORIGIN.lines()
    start = lines[number].index(b':"') + 2
    at = data.draw(st.integers(start, lines[number].index(b'"', start) - 1))
    lines[number] = _flip(lines[number], at, data.draw(st.integers(0, 7)))
    code, text = run(download=csv_of(ROWS), evidence=b"".join(lines))
    assert (code, f"Line {number + 1} of the evidence" in text) == (1, True), text
    row = {3: "Row 1 ", 4: "Row 3 ", 5: "Row 5 ", 6: "Row 2 "}[number]
    assert f"{row}(line" in text, text


@flips
@given(data=st.data(), number=st.integers(1, 2))
def test_one_bit_in_a_receipt_names_the_row(run, data, number):
    lines = ORIGIN.lines()
    start = lines[number].index(b'"receipt":"') + 11
    # One cosignature is enough to lose the quorum, and one hash to lose the root.
    at = data.draw(st.integers(start, lines[number].index(b'"', start) - 1))
    lines[number] = _flip(lines[number], at, data.draw(st.integers(0, 7)))
    code, text = run(download=csv_of(ROWS), evidence=b"".join(lines))
    assert code in {1, 2}, text
    # A cosignature less is not bad: the entry is not final then.
    assert re.search("Without evidence: . rows, the first: Row|That all are shown the same entry of the key", text), (
        text
    )
    assert f"the first: {'Row 1' if number == 1 else 'Row 2'} (line" in text, text


@flips
@given(junk=st.binary(max_size=300), at=st.integers(0, 3000), is_data=st.booleans())
def test_any_bytes_get_an_answer(run, junk, at, is_data):
    good = csv_of(ROWS) if is_data else ORIGIN.evidence()
    bad = good[:at] + junk + good[at + len(junk) :]
    code, text = run(**{"download" if is_data else "evidence": bad})
    assert code in {0, 1, 2}
    assert "Traceback" not in text
    assert run(**{"download" if is_data else "evidence": junk})[0] in {1, 2}


def _flipped(data, good):
    return _flip(good, data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7)))


def _flip(content, at, bit):
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def test_the_program_is_a_module_of_the_checkout(folder):
    words = [sys.executable, "-m", "devices.verify", "download", "evidence", "--policy", "policy"]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert (done.returncode, done.stderr) == (0, "")
