"""The signed batches of a device, down to their bytes."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from devices.models import Batch, Device
from marketplace.web.owner.batches import batch_rows, sequence_before
from marketplace.web.owner.envelopes import decode_batch
from marketplace.web.requests import OwnerRequest


@require_safe
@login_required
def device_batches(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    page = batch_rows(device, before=sequence_before(request.GET.get("before", "")))
    return render(request, "owner/devices/batches.html", {"device": device, "batches": page})


@require_safe
@login_required
def batch_page(request: OwnerRequest, public_id: UUID, sequence: int) -> HttpResponse:
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    batch = get_object_or_404(Batch, device=device, sequence=sequence)
    context = {
        "device": device,
        "batch": batch,
        "decoded": decode_batch(batch, device),
        "is_shared": batch.is_shared(device),
        "is_deleted": batch.is_deleted(device),
        "content_hash_hex": bytes(batch.content_hash).hex(),
    }
    return render(request, "owner/devices/batch.html", context)


@require_safe
@login_required
def reading_batch(request: OwnerRequest, public_id: UUID, sequence: int) -> HttpResponse:
    """The exact bytes that the device signed and sent."""
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    batch = get_object_or_404(Batch, device=device, sequence=sequence)
    if not batch.envelope_size or batch.is_shared(device):
        raise Http404
    file_name = f"batch-{device.public_id.hex[:8]}-{sequence}.cose"
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(batch.original_envelope, content_type="application/cose", headers=headers)
