"""The batches of a device as rows of a table, with the missing sequence numbers in between."""

from dataclasses import dataclass

from devices.models import Batch, Device

PAGE_SIZE = 25


@dataclass(frozen=True)
class MissingRow:
    """Sequence numbers that never arrived, first to last."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class BatchPage:
    """rows: batches and missing stretches, newest first; next_before: where the next page starts, None on the last."""

    rows: list[Batch | MissingRow]
    next_before: int | None


def batch_rows(device: Device, *, before: int | None = None, size: int = PAGE_SIZE) -> BatchPage:
    """Return up to size batches with a sequence below before."""
    batches = Batch.objects.filter(device=device).without_envelope().order_by("-sequence")
    if before is not None:
        batches = batches.filter(sequence__lt=before)
    found = list(batches[: size + 1])
    shown, has_more = found[:size], len(found) > size
    rows: list[Batch | MissingRow] = []
    expected = before - 1 if before is not None else None
    for batch in shown:
        if expected is not None and batch.sequence < expected:
            rows.append(MissingRow(batch.sequence + 1, expected))
        rows.append(batch)
        expected = batch.sequence - 1
    if shown and not has_more and shown[-1].sequence > 1:
        rows.append(MissingRow(1, shown[-1].sequence - 1))
    return BatchPage(rows, shown[-1].sequence if has_more else None)


def sequence_before(text: str) -> int | None:
    """Read the place from an address; None for anything that is no sequence number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None
