"""What a payment provider tells us, in our own words: the same for every provider. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EventKind(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_FAILED = "payout_failed"
    PAYEE_CHANGED = "payee_changed"
    # Kept and answered, and nothing follows from it.
    OTHER = "other"


@dataclass(frozen=True)
class GatewayEvent:
    """One message of a provider. Nothing of a person is in it: no name, no address, no card.

    reference: the public id of our top-up or payout, where the provider repeats it. object_id: the provider's name of
    what this is about (a checkout, a dispute, a payout, a payee). payment_id: the provider's name of the payment, which
    ties a dispute to its top-up. amount_micros and currency: as the provider says; None where it says none.
    """

    event_id: str
    type: str
    kind: EventKind
    happened_at: datetime
    reference: UUID | None = None
    object_id: str = ""
    payment_id: str = ""
    amount_micros: int | None = None
    currency: str = ""
