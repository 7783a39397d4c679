from datetime import timedelta

import pytest

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.consents.errors import ConsentNotActive
from marketplace.consents.services import withdraw_consent
from marketplace.listings import errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import LONG_AGO, Listing, ListingState, Plan
from marketplace.listings.services import (
    QualityFigures,
    change_price,
    delete_draft,
    draft_listing,
    publish_listing,
    record_quality,
    set_plans,
    update_draft,
    withdraw_listing,
)
from tests.builders import EURO, make_consent, make_draft, make_listing

pytestmark = pytest.mark.django_db


def test_a_draft_takes_country_and_measures_from_its_consent(sara, now):
    listing = make_draft(sara, now)
    assert (listing.country, listing.measures, listing.published_at) == ("DE", ["air_temperature"], None)
    assert not Listing.objects.live_at(now).exists()


def test_a_draft_needs_a_consent_of_one_s_own(sara, mallory, now):
    consent = make_consent(sara, now)
    with pytest.raises(errors.ConsentNotYours):
        make_draft(mallory, now, consent=consent)
    assert not Listing.objects.exists()


def test_a_draft_needs_an_active_consent(sara, now):
    consent = make_consent(sara, now)
    withdraw_consent(consent=consent, at=now)
    with pytest.raises(ConsentNotActive):
        make_draft(sara, now, consent=consent)
    assert not Listing.objects.exists()


def test_a_draft_needs_its_texts(sara, now):
    consent = make_consent(sara, now)
    with pytest.raises(errors.ListingIncomplete):
        draft_listing(
            seller=sara, consent=consent, title=" ", summary="x", category="weather", licence_text="x", at=now
        )
    assert not Listing.objects.exists()


@pytest.mark.parametrize(
    "plan",
    [
        PlanTerms("free", 1),
        PlanTerms("one_off", 0),
        PlanTerms("one_off", -EURO),
        PlanTerms("one_off", EURO, 30),
        PlanTerms("period", EURO),
        PlanTerms("period", EURO, 0 * 86_400),
        PlanTerms("period", EURO, 367 * 86_400),
        PlanTerms("auction", EURO),
    ],
)
def test_refuses_a_plan_that_makes_no_sense(sara, now, plan):
    listing = make_draft(sara, now)
    with pytest.raises(errors.PlanInvalid):
        set_plans(listing=listing, plans=[plan])
    assert not Plan.objects.exists()


def test_refuses_more_than_twenty_plans(sara, now):
    listing = make_draft(sara, now)
    with pytest.raises(errors.TooManyPlans):
        set_plans(listing=listing, plans=[PlanTerms("one_off", EURO)] * 21)
    assert not Plan.objects.exists()


def test_publishing_needs_a_plan(sara, now):
    listing = make_draft(sara, now)
    with pytest.raises(errors.ListingIncomplete):
        publish_listing(listing=listing, at=now)
    listing.refresh_from_db()
    assert listing.published_at is None
    assert not OutboxRow.objects.filter(kind="listing.published").exists()


def test_goes_live_when_its_consent_and_it_are_in_a_signed_checkpoint(sara, now):
    listing = make_listing(sara, now, is_recorded=False)
    assert not Listing.objects.live_at(now).exists()

    sequence_batch(at=now)

    assert Listing.objects.live_at(now).get() == listing


def test_publishing_again_changes_nothing(sara, now):
    listing = make_listing(sara, now)
    again = publish_listing(listing=listing, at=now + timedelta(hours=1))
    assert again.published_at == now
    assert not OutboxRow.objects.exists()


def test_a_published_text_cannot_change(sara, now):
    listing = make_listing(sara, now)
    with pytest.raises(errors.ListingNotDraft):
        update_draft(listing=listing, title="Other", summary="x", category="air", licence_text="x")
    with pytest.raises(errors.ListingNotDraft):
        set_plans(listing=listing, plans=[])
    with pytest.raises(errors.ListingNotDraft):
        delete_draft(listing=listing)
    assert Listing.objects.get().title == "Roof weather"


def test_a_new_price_is_a_new_publication(sara, now):
    listing = make_listing(sara, now)
    plan = listing.plans.get()

    later = now + timedelta(hours=1)

    change_price(plan=plan, price_micros=7 * EURO, at=later)

    changed = Listing.objects.get()
    assert (changed.entry_id, changed.plans.public().get().price_micros) == (listing.entry_id, 7 * EURO)
    first, second = changed.revisions.all()
    assert (first.number, first.entry_id, first.published_at) == (1, listing.entry_id, now)
    assert (second.number, second.entry_id, second.published_at) == (2, OutboxRow.objects.get().entry_id, later)


def test_a_new_price_leaves_the_listing_live_even_when_the_log_stands_still(sara, now):
    listing = make_listing(sara, now)
    change_price(plan=listing.plans.get(), price_micros=7 * EURO, at=now)
    assert OutboxRow.objects.exists()
    assert Listing.objects.live_at(now).get() == listing
    assert Listing.objects.get().is_recorded()


def test_the_same_price_is_no_new_publication(sara, now):
    listing = make_listing(sara, now)
    change_price(plan=listing.plans.get(), price_micros=5 * EURO, at=now)
    assert listing.revisions.count() == 1
    assert not OutboxRow.objects.exists()


def test_no_new_price_under_a_consent_that_is_over(sara, now):
    listing = make_listing(sara, now)
    withdraw_consent(consent=listing.consent, at=now)
    sequence_batch(at=now)
    with pytest.raises(ConsentNotActive):
        change_price(plan=listing.plans.get(), price_micros=7 * EURO, at=now)
    assert Plan.objects.get().price_micros == 5 * EURO
    assert listing.revisions.count() == 1
    assert not OutboxRow.objects.exists()


def test_the_row_and_the_queries_agree_on_the_state(sara, now):
    draft = make_draft(sara, now)
    live = make_listing(sara, now)
    withdrawn = withdraw_listing(listing=make_listing(sara, now), at=now)
    lost = make_listing(sara, now)
    withdraw_consent(consent=lost.consent, at=now)
    waiting = make_listing(sara, now, is_recorded=False)
    states = {listing: listing.state_at(now, is_recorded=listing.is_recorded()) for listing in Listing.objects.all()}
    assert states == {
        draft: ListingState.DRAFT,
        live: ListingState.LIVE,
        withdrawn: ListingState.WITHDRAWN,
        lost: ListingState.ENDED,
        waiting: ListingState.WAITING,
    }
    assert set(Listing.objects.live_at(now)) == {live}
    assert set(Listing.objects.held_at(now)) == {live, waiting}
    assert {listing for listing in states if listing.is_held(now)} == {live, waiting}


def test_the_listing_keeps_its_lowest_price(sara, now):
    listing = make_draft(sara, now)
    plans = set_plans(
        listing=listing, plans=[PlanTerms("one_off", 5 * EURO), PlanTerms("period", 9 * EURO, 30 * 86_400)]
    )
    assert Listing.objects.get().from_micros == 5 * EURO
    publish_listing(listing=listing, at=now)

    cheaper = change_price(plan=plans[1], price_micros=3 * EURO, at=now)
    assert Listing.objects.get().from_micros == 3 * EURO
    change_price(plan=cheaper, price_micros=8 * EURO, at=now)
    assert Listing.objects.get().from_micros == 5 * EURO


def test_a_draft_without_plans_has_no_lowest_price(sara, now):
    listing = make_draft(sara, now)
    set_plans(listing=listing, plans=[PlanTerms("free", 0)])
    assert Listing.objects.get().from_micros == 0
    set_plans(listing=listing, plans=[])
    assert Listing.objects.get().from_micros is None


def test_the_listing_keeps_its_last_reading(sara, now):
    listing = make_listing(sara, now)
    assert listing.fresh_at == LONG_AGO
    for last in (now, None):
        figures = QualityFigures(1, 1, last, last, coverage=1.0, gap_count=0, signed_share=1.0)
        record_quality(listing=listing, quality=figures, at=now)
        assert Listing.objects.get().fresh_at == (last or LONG_AGO)


def test_a_price_out_of_range_is_refused(sara, now):
    plan = make_listing(sara, now).plans.get()
    with pytest.raises(errors.PlanInvalid):
        change_price(plan=plan, price_micros=0, at=now)
    assert Plan.objects.get().price_micros == 5 * EURO


def test_withdrawal_takes_it_out_of_the_catalogue_at_once_and_once(sara, now):
    listing = make_listing(sara, now)

    withdraw_listing(listing=listing, at=now)
    again = withdraw_listing(listing=listing, at=now + timedelta(hours=1))

    assert again.withdrawn_at == now
    assert not Listing.objects.live_at(now).exists()
    assert OutboxRow.objects.filter(kind="listing.withdrawn").count() == 1
    with pytest.raises(errors.ListingAlreadyWithdrawn):
        publish_listing(listing=listing, at=now)
    with pytest.raises(errors.ListingAlreadyWithdrawn):
        change_price(plan=listing.plans.get(), price_micros=EURO, at=now)


def test_a_withdrawn_consent_takes_its_listings_out(sara, now):
    listing = make_listing(sara, now)
    withdraw_consent(consent=listing.consent, at=now)
    assert not Listing.objects.live_at(now).exists()


def test_a_draft_can_be_deleted_but_not_withdrawn(sara, now):
    listing = make_draft(sara, now)
    with pytest.raises(errors.ListingNotPublished):
        withdraw_listing(listing=listing, at=now)
    delete_draft(listing=listing)
    assert not Listing.objects.exists()
