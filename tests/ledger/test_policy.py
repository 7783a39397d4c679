import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cosignatures import CosignatureSigner
from ledger.errors import NoteMalformed, NoteUnverified, PolicyMalformed
from ledger.notes import NoteSigner, TreeHead, VerifierKey, parse_note
from ledger.policy import LogPolicy, PolicyGroup, PolicyLog, PolicyWitness

LOG = NoteSigner("market.example/log", bytes(range(32)))
NEXT_LOG = NoteSigner("market.example/log", bytes(range(3, 35)))
OTHER_LOG = NoteSigner("other.example/log", bytes(range(2, 34)))
HEAD = TreeHead("market.example/log", 70_000, bytes(range(32)))
WITNESSES = [CosignatureSigner(f"w{n}.example", bytes([n]) * 32) for n in range(1, 7)]
KEYS = [witness.verifier_key for witness in WITNESSES]
AT = 1_679_315_147

LOG_LINE = f"log {LOG.verifier_key}\n"
WITNESS_LINES = "".join(f"witness w{n} {key}\n" for n, key in enumerate(KEYS, 1))
TWO_OF_THREE = f"{LOG_LINE}{WITNESS_LINES}group makers 2 w1 w2 w3\nquorum makers\n"
# The shape of the standard's own example: two of the first three and any of the others.
NESTED = f"{LOG_LINE}{WITNESS_LINES}group x 2 w1 w2 w3\ngroup y any w4 w5 w6\ngroup x-and-y all x y\nquorum x-and-y\n"


def cosigned(*witnesses, log=LOG, head=HEAD):
    return parse_note(log.sign(head.text()) + "".join(witness.cosign(head.text(), AT) for witness in witnesses))


def test_reads_what_the_standard_allows():
    policy = LogPolicy.parse(
        f"\n# first\n \t # indented\n\tlog\t{LOG.verifier_key}  https://market.example/log \n"
        f"witness w1 {KEYS[0]} https://w1.example/prefix\nwitness Kélvin {KEYS[1]}\n"
        f"group all 1 w1 Kélvin\nquorum all\nlog {OTHER_LOG.verifier_key}"
    )
    assert policy.logs == (
        PolicyLog(LOG.verifier_key, "https://market.example/log"),
        PolicyLog(OTHER_LOG.verifier_key, ""),
    )
    assert policy.witnesses == (
        PolicyWitness("w1", KEYS[0], "https://w1.example/prefix"),
        PolicyWitness("Kélvin", KEYS[1], ""),
    )
    assert policy.groups == (PolicyGroup("all", 1, ("w1", "Kélvin")),)
    assert policy.quorum == "all"
    assert LogPolicy.parse(policy.text()) == policy


def test_comments_may_hold_bytes_that_are_not_utf8():
    assert LogPolicy.parse(b"# \xff\xfe\nquorum none\n") == LogPolicy(())


@pytest.mark.parametrize("text", ["quorum none\n", TWO_OF_THREE, NESTED])
def test_writes_what_it_reads(text):
    assert LogPolicy.parse(LogPolicy.parse(text).text()) == LogPolicy.parse(text)


@pytest.mark.parametrize(
    ("text", "signed", "is_quorum"),
    [
        (TWO_OF_THREE, [], False),
        (TWO_OF_THREE, [1], False),
        (TWO_OF_THREE, [1, 4, 5, 6], False),
        (TWO_OF_THREE, [1, 3], True),
        (TWO_OF_THREE, [1, 2, 3], True),
        (NESTED, [1, 2], False),
        (NESTED, [1, 4, 5, 6], False),
        (NESTED, [2, 3, 6], True),
        (f"{WITNESS_LINES}quorum w2\n", [1], False),
        (f"{WITNESS_LINES}quorum w2\n", [2], True),
        (f"{WITNESS_LINES}group g all w1 w2\nquorum g\n", [1], False),
        (f"{WITNESS_LINES}group g all w1 w2\nquorum g\n", [1, 2], True),
        (f"{WITNESS_LINES}quorum none\n", [1, 2, 3, 4, 5, 6], False),
    ],
)
def test_counts_the_quorum(text, signed, is_quorum):
    policy = LogPolicy.parse(text)
    assert policy.has_witnesses
    assert policy.is_quorum({KEYS[n - 1] for n in signed}) is is_quorum


def test_a_final_checkpoint():
    checked = LogPolicy.parse(TWO_OF_THREE).check(cosigned(WITNESSES[0], WITNESSES[2]))
    assert checked.head == HEAD
    assert checked.log_keys == (LOG.verifier_key,)
    assert checked.witness_keys == (KEYS[0], KEYS[2])
    assert checked.is_final


def test_a_signed_checkpoint_without_enough_witnesses_is_not_final():
    stranger = CosignatureSigner("stranger.example", bytes([99]) * 32)
    checked = LogPolicy.parse(TWO_OF_THREE).check(cosigned(stranger, WITNESSES[0], WITNESSES[0]))
    assert checked.witness_keys == (KEYS[0],)
    assert not checked.is_final


def test_without_witnesses_nothing_is_final():
    policy = LogPolicy((PolicyLog(LOG.verifier_key, ""),))
    assert not policy.has_witnesses
    checked = policy.check(cosigned(WITNESSES[0]))
    assert (checked.witness_keys, checked.is_final) == ((), False)


def test_witness_lines_may_come_before_the_log():
    text = HEAD.text()
    log_line = LOG.sign(text).removeprefix(text + "\n")
    note = parse_note(text + "\n" + WITNESSES[0].cosign(text, AT) + WITNESSES[1].cosign(text, AT) + log_line)
    assert LogPolicy.parse(TWO_OF_THREE).check(note).is_final


def test_both_keys_of_a_rotation_are_accepted():
    policy = LogPolicy((PolicyLog(NEXT_LOG.verifier_key, ""), PolicyLog(LOG.verifier_key, "")))
    note = LOG.sign(HEAD.text()) + NEXT_LOG.sign(HEAD.text()).removeprefix(HEAD.text() + "\n")
    assert policy.check(parse_note(note)).log_keys == (LOG.verifier_key, NEXT_LOG.verifier_key)
    assert policy.check(cosigned(log=NEXT_LOG)).log_keys == (NEXT_LOG.verifier_key,)


def test_witnesses_alone_are_not_enough():
    note = parse_note(HEAD.text() + "\n" + "".join(witness.cosign(HEAD.text(), AT) for witness in WITNESSES))
    with pytest.raises(NoteUnverified):
        LogPolicy.parse(TWO_OF_THREE).check(note)


def test_refuses_a_log_of_no_name_here():
    with pytest.raises(NoteUnverified):
        LogPolicy.parse(TWO_OF_THREE).check(cosigned(*WITNESSES, log=OTHER_LOG))


def test_refuses_a_checkpoint_that_names_another_log():
    head = TreeHead("other.example/log", 7, bytes(32))
    both = LogPolicy((PolicyLog(LOG.verifier_key, ""), PolicyLog(OTHER_LOG.verifier_key, "")))
    with pytest.raises(NoteUnverified):
        both.check(cosigned(head=head))


def test_refuses_a_known_witness_whose_line_fails():
    text = HEAD.text()
    bad = WITNESSES[0].cosign("another.example\n7\n" + text.split("\n")[2] + "\n", AT)
    note = parse_note(LOG.sign(text) + bad + WITNESSES[1].cosign(text, AT) + WITNESSES[2].cosign(text, AT))
    with pytest.raises(NoteUnverified):
        LogPolicy.parse(TWO_OF_THREE).check(note)


def test_refuses_a_signed_text_that_is_no_checkpoint():
    with pytest.raises(NoteMalformed):
        LogPolicy.parse(TWO_OF_THREE).check(parse_note(LOG.sign("hello\n")))


RENAMED = VerifierKey("again.example", 4, KEYS[0].public_key)
BY_AN_UNKNOWN_TYPE = VerifierKey("new.example", 6, bytes(1312))


@pytest.mark.parametrize(
    ("lines", "number", "says"),
    [
        (["quorum makers"], 1, '"makers" is not defined above'),
        (["quorum none", "quorum none"], 2, "There is a quorum line above"),
        (["# fine", "", "witness w1"], 3, "witness <name> <vkey> [<url>]"),
        ([f"witness w1 {KEYS[0]} url more"], 1, "witness <name>"),
        (["log"], 1, "log <vkey> [<url>]"),
        (["log key"], 1, "not a verifier key"),
        ([f"log {KEYS[0]}"], 1, "a log's key has type 1"),
        ([f"witness w1 {LOG.verifier_key}"], 1, "a witness's key has type 4"),
        ([f"witness w1 {BY_AN_UNKNOWN_TYPE}"], 1, "has type 6"),
        ([LOG_LINE.strip(), LOG_LINE.strip()], 2, "already"),
        ([f"witness w1 {KEYS[0]}", f"witness w2 {RENAMED}"], 2, "already"),
        ([f"witness w1 {KEYS[0]}", f"witness w1 {KEYS[1]}"], 2, '"w1" is taken'),
        ([f"witness none {KEYS[0]}"], 1, '"none" is taken'),
        ([f"witness w1 {KEYS[0]}", "group w1 any w1"], 2, '"w1" is taken'),
        (["group g any"], 1, "group <name> all|any|<number> <name>..."),
        (["group g any w1"], 1, '"w1" is not defined above'),
        (["group g any g"], 1, '"g" is not defined above'),
        (["group g any none"], 1, '"none" is not defined above'),
        ([f"witness w1 {KEYS[0]}", "group g 2 w1 w1"], 2, '"w1" is a member of a group already'),
        ([f"witness w1 {KEYS[0]}", "group g any w1", "group h any w1"], 3, "already"),
        ([f"witness w1 {KEYS[0]}", "group g 2 w1"], 2, "a number from 1 to 1"),
        ([f"witness w1 {KEYS[0]}", "group g 0 w1"], 2, 'not "0"'),
        ([f"witness w1 {KEYS[0]}", "group g 01 w1"], 2, 'not "01"'),
        ([f"witness w1 {KEYS[0]}", "group g ١ w1"], 2, 'not "١"'),
        ([f"witness w1 {KEYS[0]}", "group g some w1"], 2, 'not "some"'),
        (["quorum"], 1, "quorum <name>|none"),
        (["Quorum none"], 1, 'not with "Quorum"'),
        (["quorum none\r"], 1, "control characters"),
        (["quorum none\x7f"], 1, "control characters"),
    ],
)
def test_a_refusal_names_the_line(lines, number, says):
    with pytest.raises(PolicyMalformed) as raised:
        LogPolicy.parse("\n".join(lines) + "\n")
    assert str(raised.value).startswith(f"Line {number} of the policy: ")
    assert says in str(raised.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", LOG_LINE, "#" * 200_001])
def test_refuses_a_policy_without_a_quorum_or_beyond_the_limit(text):
    with pytest.raises(PolicyMalformed):
        LogPolicy.parse(text)


def test_takes_as_many_as_the_standard_asks_for_and_deep_groups():
    witnesses = [CosignatureSigner(f"w{n}", n.to_bytes(32, "big")).verifier_key for n in range(64)]
    lines = [f"witness w{n} {key}\n" for n, key in enumerate(witnesses)] + ["group g0 all w0\n"]
    lines += [f"group g{n} all g{n - 1} w{n}\n" for n in range(1, 64)]
    policy = LogPolicy.parse("".join(lines) + "quorum g63\n")
    assert policy.is_quorum(witnesses)
    assert not policy.is_quorum(witnesses[1:])


WORDS = st.sampled_from(["log", "witness", "group", "quorum", "none", "any", "all", "1", "w1", str(KEYS[0]), "#", "\t"])


@given(st.binary(max_size=200) | st.lists(WORDS | st.just("\n"), max_size=40).map(" ".join))
def test_any_bytes_are_a_policy_or_refused(text):
    try:
        policy = LogPolicy.parse(text)
    except PolicyMalformed:
        return
    assert LogPolicy.parse(policy.text()) == policy
