"""What the log says about a dispute. Pure: no person, no text, amounts as strings."""

from typing import Any
from uuid import UUID


def dispute_step(*, dispute: UUID, purchase: UUID, buyer: str, seller: str, **more: str | bool) -> dict[str, Any]:
    """Return the body of an entry. buyer and seller: handles. more: what the step adds, such as the reason."""
    return {"buyer": buyer, "dispute": str(dispute), "purchase": str(purchase), "seller": seller, **more}
