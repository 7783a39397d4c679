"""The page on which auditors compare two checkpoints: stored ones, and ones that they got elsewhere."""

import pytest
from django.urls import reverse

from ledger.models import AuditVisit, Checkpoint
from ledger.notes import NoteSigner, TreeHead
from ledger.services import sequence_batch
from ledger.signing import log_signer
from tests.builders_ledger import submit_many

pytestmark = pytest.mark.django_db
PAGE = "admin:ledger_comparison"
STRANGER = NoteSigner("elsewhere.invalid/log", bytes(32)).sign(TreeHead("elsewhere.invalid/log", 3, bytes(32)).text())


@pytest.fixture(autouse=True)
def log(now):
    for count in (3, 297, 100):
        submit_many(count, now)
        sequence_batch(at=now)


def note(size: int) -> str:
    return Checkpoint.objects.get(size=size).note


def forged(size: int) -> str:
    return log_signer().sign(TreeHead(log_signer().verifier_key.name, size, bytes(32)).text())


def send(auditor, **sent):
    response = auditor.post(reverse(PAGE), sent)
    return response, response.content.decode()


def errors(response) -> dict[str, list[str]]:
    return dict(response.context["form"].errors)


def test_two_stored_ones_by_address(auditor):
    response = auditor.get(reverse(PAGE), {"first": "3", "second": "300"})
    assert response.status_code == 200
    assert "These two go together" in response.content.decode()


@pytest.mark.parametrize("sides", [("first", "second_note"), ("first_note", "second"), ("first_note", "second_note")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_each_side_is_chosen_or_pasted(auditor, sides, line_end):
    values = [
        note(size).replace("\n", line_end) if side.endswith("note") else str(size)
        for side, size in zip(sides, (3, 300), strict=True)
    ]
    response, text = send(auditor, **dict(zip(sides, values, strict=True)))
    assert (response.status_code, errors(response)) == (200, {})
    assert "These two go together" in text


def test_a_pasted_fork_is_a_result_and_no_mistake(auditor):
    response, text = send(auditor, first="300", second_note=forged(300))
    assert response.status_code == 200
    assert "These two do not go together. One log has two roots" in text


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize(
    ("pasted", "reason"),
    [
        ("nonsense", "A note is a text, an empty line, and signature lines"),
        ("a\n3\nAAAA\n\n\u2014 a AAAA", "A signature line holds a key id and a signature."),
        ("a\nthree\nAAAA\n\n\u2014 a AAAAAAAA", "No trusted key signed this note."),
        (STRANGER, "No trusted key signed this note."),
        ("spoiled", "The signature of"),
        ("nul", "Null characters are not allowed."),
    ],
)
def test_a_malformed_note_is_told_at_its_field(auditor, side, pasted, reason):
    pasted = {"spoiled": note(3).replace("\n3\n", "\n4\n"), "nul": f"{note(3)}\0"}.get(pasted, pasted)
    other = "second" if side == "first" else "first"
    response, text = send(auditor, **{f"{side}_note": pasted, other: "300"})
    assert response.status_code == 422
    assert list(errors(response)) == [f"{side}_note"]
    assert errors(response)[f"{side}_note"][0].startswith(reason)
    assert f'id="id_{side}_note_error"' in text
    assert "go together" not in text
    # What was sent is still there to be corrected.
    assert response.context["form"][other].value() == "300"


@pytest.mark.parametrize("size", ["7", "-1", "3.0", "\u0663", "9" * 18, "x"])
def test_a_size_that_was_never_signed_is_told_at_its_field(auditor, size):
    response, _ = send(auditor, first="3", second=size)
    assert response.status_code == 422
    assert errors(response) == {"second": [f"No checkpoint of size {size} was signed."]}
    assert auditor.get(reverse(PAGE), {"first": "3", "second": size}).status_code == 422


def test_a_choice_and_a_note_for_one_side_are_refused(auditor):
    response, text = send(auditor, first="3", first_note=note(3), second="300")
    assert response.status_code == 422
    sentence = "Choose a stored checkpoint or paste one, not both: empty one of the two."
    assert errors(response) == {"first_note": [sentence]}
    assert "go together" not in text


def test_both_sides_are_needed(auditor):
    response, _ = send(auditor, second="300")
    sentence = "Give the size of a stored checkpoint, or paste one below."
    assert (response.status_code, errors(response)) == (422, {"first": [sentence]})
    assert set(errors(send(auditor)[0])) == {"first", "second"}


def test_each_checkpoint_leads_here_with_itself_chosen(auditor):
    listed = auditor.get(reverse("admin:ledger_checkpoint_changelist")).content.decode()
    assert f'href="{reverse(PAGE)}"' in listed
    address = f"{reverse(PAGE)}?first=300"
    assert f'href="{address}"' in listed
    shown = reverse("admin:ledger_checkpoint_change", args=[Checkpoint.objects.get(size=300).pk])
    assert f'href="{address}"' in auditor.get(shown).content.decode()
    response = auditor.get(address)
    assert (response.status_code, response.context["form"]["first"].value()) == (200, "300")
    assert errors(response) == {}


def test_refused_visits_are_kept_too(auditor, client, ben):
    send(auditor, first="3", second_note="nonsense")
    assert AuditVisit.objects.latest("pk").subject == "POST Compare two checkpoints (refused, 422)"
    assert auditor.get(reverse("admin:ledger_auditvisit_changelist")).status_code == 403
    assert AuditVisit.objects.latest("pk").subject == "GET ledger_auditvisit_changelist (refused, 403)"
    assert auditor.put(reverse(PAGE)).status_code == 405
    assert AuditVisit.objects.latest("pk").subject == "PUT ledger_comparison (refused, 405)"
    assert auditor.get("/admin/ledger/nothing/").status_code == 404
    assert AuditVisit.objects.latest("pk").subject.endswith("(refused, 404)")
    ben.is_staff = True
    ben.save()
    client.force_login(ben)
    for name in (PAGE, "admin:ledger_reconciliation"):
        assert client.get(reverse(name)).status_code == 403
        visit = AuditVisit.objects.latest("pk")
        assert (visit.visitor, visit.address) == (ben.public_id, reverse(name))


def test_who_is_no_member_of_staff_gets_nothing_and_leaves_no_visit(client, sara):
    client.force_login(sara)
    assert client.get(reverse(PAGE)).status_code in {302, 403}
    assert not AuditVisit.objects.exists()
