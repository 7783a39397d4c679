"""Which plans a listing may offer, and under which consent."""

from datetime import timedelta

import pytest

from ledger.models import OutboxRow
from marketplace.listings import errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import ListingRevision, Plan
from marketplace.listings.services import add_plans, change_price, publish_listing, set_plans
from tests.builders import EURO, make_consent, make_draft, make_listing

pytestmark = pytest.mark.django_db

FREE, HISTORY = PlanTerms("free", 0), PlanTerms("one_off", EURO)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "plans",
    [
        (FREE, HISTORY),
        (FREE, FREE),
        (HISTORY, PlanTerms("one_off", 2 * EURO)),
        (PlanTerms("period", EURO, 30 * 86_400), PlanTerms("period", 2 * EURO, 30 * 86_400)),
    ],
)
def test_refuses_plans_that_contradict_each_other(sara, now, plans):
    listing = make_draft(sara, now)
    with pytest.raises(errors.PlansConflict) as refusal:
        set_plans(listing=listing, plans=plans)
    assert refusal.value.code == "plans_conflict"
    assert not Plan.objects.exists()


def test_adding_nothing_publishes_nothing(sara, now):
    listing = make_listing(sara, now)
    before = OutboxRow.objects.count(), ListingRevision.objects.count()
    with pytest.raises(errors.PlanInvalid):
        add_plans(listing=listing, plans=[], at=now)
    assert (OutboxRow.objects.count(), ListingRevision.objects.count()) == before


def test_different_lengths_beside_the_history_are_fine(sara, now):
    listing = make_draft(sara, now)
    plans = [FREE, PlanTerms("period", EURO, 30 * 86_400), PlanTerms("period", EURO, 31 * 86_400)]
    assert len(set_plans(listing=listing, plans=plans)) == 3


def test_a_draft_of_before_that_contradicts_itself_is_not_published(sara, now):
    listing = make_draft(sara, now)
    set_plans(listing=listing, plans=[HISTORY])
    Plan.objects.create(listing=listing, kind="free", price_micros=0, currency="EUR", position=2)
    refuses_to_publish(errors.PlansConflict, listing, now)


@pytest.mark.parametrize("micros", [EURO + 1, EURO + 9_999, 15_000])
def test_refuses_a_fraction_of_a_cent(sara, now, micros):
    draft, plan = make_draft(sara, now), make_listing(sara, now).plans.get()
    with pytest.raises(errors.PlanInvalid):
        set_plans(listing=draft, plans=[PlanTerms("one_off", micros)])
    with pytest.raises(errors.PlanInvalid):
        change_price(plan=plan, price_micros=micros, at=now)
    assert [row.price_micros for row in Plan.objects.all()] == [5 * EURO]


def refuses_to_publish(reason, listing, at):
    rows = OutboxRow.objects.count()
    with pytest.raises(reason) as refusal:
        publish_listing(listing=listing, at=at)
    listing.refresh_from_db()
    assert (listing.published_at, listing.entry_id) == (None, None)
    assert OutboxRow.objects.count() == rows
    assert not ListingRevision.objects.exists()
    return refusal.value


@pytest.mark.parametrize(
    ("plan", "delay_days", "last_day"), [(PlanTerms("period", EURO, 30 * 86_400), 0, 30), (HISTORY, 7, 7), (FREE, 7, 7)]
)
def test_a_plan_is_published_up_to_the_last_moment_that_it_can_be_served(sara, now, plan, delay_days, last_day):
    consent = make_consent(sara, now, delay_seconds=delay_days * 86_400)
    listing = make_draft(sara, now, consent=consent)
    set_plans(listing=listing, plans=[plan])
    last = consent.valid_until - timedelta(days=last_day)

    refusal = refuses_to_publish(errors.PlanOutlivesConsent, listing, last + MOMENT)

    assert refusal.code == "plan_outlives_consent"
    assert refusal.details == {"valid_until": "2027-03-14T09:26:53.000000Z"}
    assert publish_listing(listing=listing, at=last).published_at == last
