"""The program that strangers run, as they run it: a process of its own, where nothing but PyNaCl is installed."""

import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.canonical import canonical_bytes, parse_canonical
from ledger.disclosures import read_entry
from ledger.errors import LedgerError
from ledger.verify import main
from tests.builders_receipts import HANDLE_KEY, LOG_ONLY, OWNER, POLICY, SmallLog, entry

ROOT = Path(__file__).resolve().parent.parent.parent
OWNER_HANDLE = hmac.new(HANDLE_KEY, f"person:{OWNER}".encode(), hashlib.sha256).hexdigest()
DISCLOSURE = {"subject_kind": "person", "subject_id": str(OWNER), "key": HANDLE_KEY.hex()}
LOG = SmallLog([entry(0), entry(1, owner=OWNER_HANDLE, devices=["ab" * 32]), entry(2)])
# What a verifier needs of the market: these files, and no others.
_LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text("aA_.~\x7f\n", max_size=3), inner)
)
BODIES = st.dictionaries(st.text('abAB_\\"', max_size=3), _VALUES, max_size=4)
SOURCES = ("__init__", "cosignatures", "disclosures", "errors", "merkle", "notes", "pack_reading", "policy",
           "receipts", "tiles", "verdicts", "verify")  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "policy").write_text(POLICY.text())
    (tmp_path / "log-only").write_text(LOG_ONLY.text())
    (tmp_path / "good.tlog-proof").write_text(LOG.receipt(1).text())
    (tmp_path / "bare.tlog-proof").write_text(replace(LOG.receipt(1), extra=b"").text())
    (tmp_path / "open.tlog-proof").write_text(LOG.receipt(1, witnesses=1).text())
    (tmp_path / "entry").write_bytes(entry(1, owner=OWNER_HANDLE, devices=["ab" * 32]))
    (tmp_path / "other").write_bytes(entry(2))
    (tmp_path / "disclosure").write_text(json.dumps(DISCLOSURE))
    (tmp_path / "pack.zip").write_bytes(LOG.pack(sizes=[1, 2]))
    (tmp_path / "open.zip").write_bytes(LOG.pack([1], witnesses=1))
    (tmp_path / "bad.tlog-proof").write_text(replace(LOG.receipt(1), index=0).text())
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Call the program in this process; returns its exit code and what it wrote."""
    monkeypatch.chdir(folder)

    def call(*words):
        code = main(words)
        written = capsys.readouterr()
        return code, written.out + written.err

    return call


def test_says_line_by_line_what_it_proved(run):
    code, text = run("good.tlog-proof", "--policy", "policy")
    assert code == 0
    starts = [line[:11].strip() for line in text.splitlines()]
    assert starts == ["ENTRY", *["PROVED"] * 5, "NOT PROVED", "PROVED", "NOT PROVED", "NOT PROVED", "RESULT"]
    for words in (
        "device.enrolled",
        f"bytes have the leaf hash {LOG.leaves[1].hex()}",
        "2 hashes lead from that leaf, at index 1, to the root",
        "of a log of 3 entries",
        "The log market.example/log signed this size and root (key ",
        "The witness maker1 (maker1.example/witness) cosigned it at 2026-03-14 09:27:00 UTC.",
        "The witness maker2 (maker2.example/witness) cosigned it at 2026-03-14 09:27:00 UTC.",
        "Not cosigned here by maker3.",
        "the policy asks for 2 of 3 (maker1, maker2, maker3), and that is reached",
        "NOT PROVED  That what an entry says is true.",
        "RESULT      Good and final.",
    ):
        assert words in text


def test_a_receipt_without_quorum_is_good_but_not_final(run):
    code, text = run("open.tlog-proof", "--policy", "policy")
    assert code == 2
    assert "It is not final: the policy asks for 2 of 3" in text
    assert "Good but not final" in text
    code, text = run("good.tlog-proof", "--policy", "log-only")
    assert code == 2
    assert "the policy asks for no witness" in text


def test_takes_the_entry_from_a_file(run):
    assert run("bare.tlog-proof", "--policy", "policy", "--entry", "entry")[0] == 0
    assert run("good.tlog-proof", "--policy", "policy", "--entry", "entry")[0] == 0
    code, text = run("bare.tlog-proof", "--policy", "policy", "--entry", "other")
    assert (code, "FAILED      At the proof from the entry to the root" in text) == (1, True)
    code, text = run("good.tlog-proof", "--policy", "policy", "--entry", "other")
    assert (code, "carries another entry" in text) == (1, True)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("good.tlog-proof", replace(LOG.receipt(0), index=1).text(), "the proof from the entry to the root"),
        ("good.tlog-proof", "nonsense", "reading the receipt"),
        ("good.tlog-proof", replace(LOG.receipt(1), checkpoint="x").text(), "reading the checkpoint"),
        ("good.tlog-proof", LOG.receipt(1).text().replace("market", "Market"), "the signatures under the checkpoint"),
        ("policy", "quorum nobody\n", "reading the policy"),
        ("policy", "", "reading the policy"),
    ],
)
def test_says_which_step_failed(run, folder, name, content, words):
    (folder / name).write_text(content)
    code, text = run("good.tlog-proof", "--policy", "policy")
    assert code == 1
    assert f"FAILED      At {words}: " in text
    assert text.endswith("RESULT      Bad. Do not rely on it.\n")


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[1]",
        b"[" * 8000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1.0}',
        b'{"a":1e400}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        '{"\u00e9":1}'.encode(),
        b"\xef\xbb\xbf{}",
        b'{"a":"' + b"x" * 8192 + b'"}',
    ],
    ids=lambda body: body[:24].hex(),
)
def test_refuses_an_entry_that_could_be_read_in_two_ways(run, folder, body):
    """Also when a log committed to it: ours takes no such entry."""
    (folder / "good.tlog-proof").write_text(SmallLog([body]).receipt(0).text())
    code, text = run("good.tlog-proof", "--policy", "policy")
    assert (code, "FAILED      At reading the entry: " in text) == (1, True)


@given(BODIES)
def test_reads_the_same_entries_as_the_log_takes(value):
    body = canonical_bytes(value)
    assert read_entry(body) == value == parse_canonical(body)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda text: f'{{"a":{text}}}'.encode())))
def test_takes_no_entry_that_the_log_refuses(body):
    try:
        content = read_entry(body)
    except LedgerError:
        with pytest.raises(LedgerError):
            parse_canonical(body)
    else:
        assert content == parse_canonical(body)


def test_a_disclosure_says_whose_handle_it_is(run, folder):
    code, text = run("good.tlog-proof", "--policy", "policy", "--disclosure", "disclosure")
    assert code == 0
    assert f"The handle at owner is the person {OWNER}" in text
    (folder / "disclosure").write_text(json.dumps(DISCLOSURE | {"key": "00" * 32}))
    code, text = run("good.tlog-proof", "--policy", "policy", "--disclosure", "disclosure")
    assert (code, "FAILED      At the disclosure: " in text) == (1, True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        json.dumps(DISCLOSURE | {"more": "x"}),
        json.dumps(DISCLOSURE | {"subject_kind": "device"}),
        json.dumps(DISCLOSURE | {"subject_kind": "person:0"}),
        json.dumps(DISCLOSURE | {"subject_id": str(OWNER).upper()}),
        json.dumps(DISCLOSURE | {"subject_id": 1}),
        json.dumps(DISCLOSURE | {"key": "00" * 31}),
        json.dumps(DISCLOSURE)[:-1] + ', "key": "' + "00" * 32 + '"}',
        "[" * 1900,
        "x" * 3000,
    ],
)
def test_refuses_other_disclosures(run, folder, content):
    (folder / "disclosure").write_text(content)
    code, text = run("good.tlog-proof", "--policy", "policy", "--disclosure", "disclosure")
    assert (code, "FAILED      At the disclosure: " in text) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["good.tlog-proof"],
        ["good.tlog-proof", "--policy"],
        ["missing", "--policy", "policy"],
        ["good.tlog-proof", "--policy", "missing"],
        [".", "--policy", "policy"],
        ["good.tlog-proof", "more", "--policy", "policy"],
        ["bare.tlog-proof", "--policy", "policy"],
        ["a\0b", "--policy", "policy"],
        ["pack"],
        ["pack", "missing.zip"],
        ["pack", "."],
        ["pack", "a\0b"],
        ["pack", "pack.zip", "--entry", "entry"],
    ],
)
def test_wrong_usage_is_3(run, words):
    assert run(*words)[0] == 3


def test_a_pack_verifies(run):
    code, text = run("pack", "pack.zip", "--policy", "policy")
    assert code == 0
    assert "PROVED      The pack holds all entries of the log" in text
    assert "PROVED      2 earlier checkpoints were signed" in text
    assert "The market's own audit reports nothing wrong at size 3: that is its word." in text
    assert "own policy" not in text
    assert run("pack", "open.zip", "--policy", "policy")[0] == 2


def test_a_pack_that_brings_its_own_policy_proves_only_that_it_agrees_with_itself(run):
    code, text = run("pack", "pack.zip")
    assert code == 2
    assert "only a policy that you trust shows whose log it is" in text
    assert text.startswith("NOT PROVED  Whose log this is. The keys come from the pack's own policy")
    code, text = run("pack", "pack.zip", "--policy", "log-only")
    assert (code, "carries another policy than yours" in text) == (2, True)


def test_a_bad_pack_names_its_first_bad_file(run, folder):
    good = (folder / "pack.zip").read_bytes()
    (folder / "bad.zip").write_bytes(good.replace(b"entries/1.json", b"entries/7.json"))
    code, text = run("pack", "bad.zip", "--policy", "policy")
    assert (code, "FAILED      At the evidence pack: entries/1.json: It is missing." in text) == (1, True)
    (folder / "bad.zip").write_bytes(b"nothing")
    assert run("pack", "bad.zip", "--policy", "policy")[0] == 1


def test_nothing_reaches_the_terminal_raw(run, folder):
    trick = json.dumps({"at": "x", "id": "\x1b[2J\u202e", "kind": "\x07"}, ensure_ascii=False, separators=(",", ":"))
    body = trick.replace("\x1b", "\\u001b").replace("\x07", "\\u0007").encode()
    (folder / "good.tlog-proof").write_text(SmallLog([body]).receipt(0).text())
    code, text = run("good.tlog-proof", "--policy", "policy")
    assert code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), place=st.integers(0, 400))
def test_any_bytes_get_an_answer(run, folder, content, place):
    good = LOG.receipt(1).text().encode()
    (folder / "any").write_bytes(good[:place] + content + good[place + len(content) :])
    (folder / "raw").write_bytes(content)
    assert run("any", "--policy", "policy")[0] in {0, 1, 2, 3}
    assert run("good.tlog-proof", "--policy", "raw")[0] in {1, 2}
    assert run("bare.tlog-proof", "--policy", "policy", "--entry", "raw")[0] in {1, 3}
    assert run("good.tlog-proof", "--policy", "policy", "--disclosure", "raw")[0] == 1
    assert run("pack", "raw")[0] == 1


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """A Python with PyNaCl and what that needs, and a folder that holds only the verifier's own files."""
    home = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    target, source = Path(found.stdout.strip()), Path(sysconfig.get_path("purelib"))
    for pattern in ("nacl", "cffi", "pycparser", "_cffi_backend*"):
        for path in source.glob(pattern):
            (target / path.name).symlink_to(path)
    (home / "ledger").mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / "ledger" / f"{name}.py", home / "ledger")
    return home, python


def run_bare(bare_python, folder, *words, locale="C.UTF-8"):
    """-I: no environment, no user packages. The verifier's folder is added by hand, as -I leaves it out."""
    home, python = bare_python
    start = (
        f"import sys, runpy; sys.path.insert(0, {str(home)!r}); runpy.run_module('ledger.verify', run_name='__main__')"
    )
    return subprocess.run(
        [python, "-I", "-c", start, *words],
        cwd=folder, capture_output=True, timeout=60, env={"LC_ALL": locale}, check=False,
    )  # fmt: skip


def test_needs_nothing_but_pynacl(bare_python, folder):
    for words, code in {
        ("good.tlog-proof", "--policy", "policy", "--disclosure", "disclosure"): 0,
        ("bare.tlog-proof", "--policy", "policy", "--entry", "entry"): 0,
        ("bad.tlog-proof", "--policy", "policy"): 1,
        ("open.tlog-proof", "--policy", "policy"): 2,
        ("missing", "--policy", "policy"): 3,
        ("pack", "pack.zip", "--policy", "policy"): 0,
        ("pack", "open.zip", "--policy", "policy"): 2,
        ("pack", "good.tlog-proof"): 1,
    }.items():
        done = run_bare(bare_python, folder, *words)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), (words, done.stdout, done.stderr)


def test_a_terminal_with_few_characters_is_no_obstacle(bare_python, folder):
    (folder / "ü.tlog-proof").write_text("c2sp.org/tlog-proof@v1 ü")
    for name in ("ü.tlog-proof", "ä-missing"):
        done = run_bare(bare_python, folder, name, "--policy", "policy", locale="POSIX")
        assert (done.returncode in {1, 3}, b"Traceback" in done.stderr) == (True, False), done.stderr


def test_the_program_is_a_module_of_the_checkout(folder):
    words = [sys.executable, "-m", "ledger.verify", folder / "good.tlog-proof", "--policy", folder / "policy"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Good and final." in done.stdout
