from typing import Any

from rest_framework import serializers

from marketplace.invoices.models import Invoice


class PartyOut(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Empty of who declared none.")
    address = serializers.CharField()
    country = serializers.CharField()
    vat_id = serializers.CharField()


class InvoiceLineOut(serializers.Serializer[Any]):
    text = serializers.CharField()
    net_micros = serializers.IntegerField()
    tax_micros = serializers.IntegerField()
    fee_micros = serializers.IntegerField()
    total_micros = serializers.IntegerField()


class InvoiceOut(serializers.Serializer[Invoice]):
    id = serializers.UUIDField(source="public_id")
    number = serializers.CharField(source="full_number")
    series = serializers.CharField()
    issued_at = serializers.DateTimeField()
    supplied_at = serializers.DateTimeField()
    period_from = serializers.DateTimeField(allow_null=True, help_text="Of a settlement: the beginning of its month.")
    purchase = serializers.UUIDField(allow_null=True, source="purchase.public_id", default=None)
    corrects = serializers.CharField(allow_null=True, source="corrects.full_number", default=None)
    currency = serializers.CharField()
    net_micros = serializers.IntegerField()
    tax_micros = serializers.IntegerField()
    fee_micros = serializers.IntegerField()
    total_micros = serializers.IntegerField()
    tax_basis_points = serializers.IntegerField()
    tax_treatment = serializers.CharField()
    tax_country = serializers.CharField()


class WholeInvoiceOut(InvoiceOut):
    issuer = serializers.SerializerMethodField()
    recipient = serializers.SerializerMethodField()
    lines = InvoiceLineOut(many=True)

    def get_issuer(self, invoice: Invoice) -> PartyOut:
        return _party(invoice, "issuer")

    def get_recipient(self, invoice: Invoice) -> PartyOut:
        return _party(invoice, "recipient")


def _party(invoice: Invoice, who: str) -> Any:
    return {name: getattr(invoice, f"{who}_{name}") for name in ("name", "address", "country", "vat_id")}
