"""Tell owners in time that a consent ends: thirty days before, and seven."""

from datetime import datetime, timedelta

from ledger.entries import at_text
from marketplace.consents.models import Consent
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many

REMINDED_BEFORE = (30, 7)


def remind_owners(*, at: datetime) -> int:
    """Remind each owner once for each number of days; nobody whose consent is renewed, or was shorter than that.

    Returns how many consents are inside a last month or week; who was told before is not told again.
    """
    drafts: list[NoticeDraft] = []
    for days in sorted(REMINDED_BEFORE):
        span = timedelta(days=days)
        ending = Consent.objects.active_at(at).filter(valid_until__lte=at + span, renewals=None).select_related("owner")
        told = {draft.reference for draft in drafts}
        for consent in ending:
            if consent.public_id in told or consent.valid_until - consent.granted_at <= span:
                continue
            until = at_text(consent.valid_until)
            facts: dict[str, str | int] = {"consent": str(consent.public_id), "until": until, "days": days}
            once = f"{consent.public_id} {days}"
            drafts.append(NoticeDraft(consent.owner, NoticeKind.CONSENT_REMINDER, facts, at, consent.public_id, once))
    notify_many(drafts)
    return len(drafts)
