import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import KeyMalformed, LedgerError, NoteMalformed, NoteUnverified
from ledger.notes import ED25519, NoteSigner, TreeHead, VerifierKey, key_id, parse_note, verify_note

LOG = NoteSigner("market.example/log", bytes(range(32)))
WITNESS = NoteSigner("witness.example/w1", bytes(range(1, 33)))
HEAD = TreeHead("market.example/log", 70_000, bytes(range(32)))


def signature_line(signer, text):
    return signer.sign(text).removeprefix(text + "\n")


def test_a_note_round_trips():
    note = parse_note(LOG.sign(HEAD.text()))
    assert note.text == "market.example/log\n70000\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert verify_note(note, [LOG.verifier_key]) == [LOG.verifier_key]
    assert TreeHead.parse(note.text) == HEAD


def test_the_note_has_these_bytes():
    signed = LOG.sign("text\n").encode()
    assert signed.startswith(b"text\n\n\xe2\x80\x94 market.example/log ")
    payload = base64.b64decode(signed.split(b" ")[-1])
    assert payload[:4] == LOG.verifier_key.key_id
    assert len(payload) == 68
    assert signed.endswith(b"\n")


def test_the_verifier_key_of_the_published_example():
    """The key of the signed-note specification's own example."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = VerifierKey.parse(text)
    assert (key.name, key.type_byte, key.key_id.hex()) == ("PeterNeumann", ED25519, "c74f20a3")
    assert str(key) == text
    note = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert verify_note(parse_note(note), [key]) == [key]


def test_a_key_with_a_plus_in_its_base64_parses():
    public_key = b"\xfb" * 32
    key = VerifierKey("market.example/log", ED25519, public_key)
    assert "+" in str(key).split("+", 2)[2]
    assert VerifierKey.parse(str(key)) == key


def test_unknown_signatures_are_passed_over_in_any_place():
    text = HEAD.text()
    strangers = [signature_line(NoteSigner(f"w{n}.example", bytes([n]) * 32), text) for n in range(20)]
    note = text + "\n" + "".join([*strangers, signature_line(LOG, text)])
    assert verify_note(parse_note(note), [LOG.verifier_key]) == [LOG.verifier_key]


def test_a_known_key_that_fails_rejects_the_note_although_another_holds():
    text = HEAD.text()
    bad = signature_line(WITNESS, "something else\n")
    note = parse_note(text + "\n" + signature_line(LOG, text) + bad)
    assert verify_note(note, [LOG.verifier_key])
    with pytest.raises(NoteUnverified):
        verify_note(note, [LOG.verifier_key, WITNESS.verifier_key])


def test_a_note_that_no_known_key_signed_is_refused():
    with pytest.raises(NoteUnverified):
        verify_note(parse_note(LOG.sign(HEAD.text())), [WITNESS.verifier_key])


def test_a_key_of_an_unknown_type_verifies_nothing():
    text = HEAD.text()
    key = VerifierKey("market.example/log", 0x7F, LOG.verifier_key.public_key)
    line = base64.b64encode(key_id(key.name, 0x7F, key.public_key) + bytes(64)).decode()
    with pytest.raises(NoteUnverified):
        verify_note(parse_note(f"{text}\n— {key.name} {line}\n"), [VerifierKey.parse(str(key))])


def test_one_changed_character_of_the_text_is_found():
    signed = LOG.sign(HEAD.text())
    for place in range(len(HEAD.text()) - 1):
        char = "x" if signed[place] != "x" else "y"
        changed = signed[:place] + char + signed[place + 1 :]
        with pytest.raises(NoteUnverified):
            verify_note(parse_note(changed), [LOG.verifier_key])


SHORT_KEY = str(VerifierKey("n", ED25519, b"short"))
GOOD = LOG.sign("text\n")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        GOOD.removesuffix("\n"),
        GOOD.replace("—", "-"),
        GOOD.replace("— ", "—"),
        GOOD.replace("text", "te\txt"),
        GOOD.replace("text\n", "text\r\n"),
        GOOD + "\n",
        GOOD + "not a signature line\n",
        GOOD.replace("— market.example/log ", "— market example "),
        GOOD.replace("— market.example/log ", "— market+example "),
        GOOD[:-3] + "\n",
        "text\n\n— market.example/log AAAA\n",
        GOOD + GOOD.split("\n\n")[1] * 100,
        GOOD.encode() + b"\xff",
    ],
)
def test_refuses_malformed_notes(note):
    with pytest.raises(NoteMalformed):
        parse_note(note)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"text\n\n— {text}\n".encode(errors="replace")))
def test_any_bytes_are_parsed_or_refused(note):
    try:
        parse_note(note)
    except NoteMalformed:
        return


@pytest.mark.parametrize("text", ["", "\n", "text", "two\n\nparts\n", "\ntext\n", "tab\t\n"])
def test_does_not_sign_such_a_text(text):
    with pytest.raises(NoteMalformed):
        LOG.sign(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+0011",
        "na me+00112233+AAAA",
        "+00112233+AAAA",
        str(LOG.verifier_key)[:-1],
        str(LOG.verifier_key).replace("market", "markot"),
        "n+00000000+AQ==",
        SHORT_KEY,
    ],
)
def test_refuses_malformed_keys(text):
    with pytest.raises(KeyMalformed):
        VerifierKey.parse(text)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"o\n007\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"\n7\n{ROOT}\n",
        f"o\n7\n{ROOT[:-1]}\n",
        f"o\n7\n{ROOT}",
        "o\n7\nAAAA\n",
        f"o\n{10**19}\n{ROOT}\n",
        f"o\n٧\n{ROOT}\n",
        "o\n7\n",
        "",
    ],
)
def test_refuses_malformed_checkpoints(text):
    with pytest.raises(LedgerError):
        TreeHead.parse(text)


def test_extension_lines_of_others_are_passed_over():
    assert TreeHead.parse(f"o\n7\n{ROOT}\nextension\n") == TreeHead("o", 7, bytes(32))
