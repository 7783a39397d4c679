"""What is kept of an erasure: that an account of this mark was erased, on a day. Neither names anybody."""

from __future__ import annotations

from django.db import models


class Erasure(models.Model):
    """account_mark: SHA-256 of the account's public id, which only an older backup holds; see marks.py."""

    account_mark = models.BinaryField(max_length=32, unique=True)
    # A day, not an instant: the instant would lead to the entries that were written with it.
    erased_on = models.DateField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.lookups.Exact(
                    models.Func(models.F("account_mark"), function="octet_length", output_field=models.IntegerField()),
                    models.Value(32),
                ),
                name="erasure_mark_is_a_hash",
            )
        ]

    def __str__(self) -> str:
        return f"erasure on {self.erased_on}"


class ReadingsDeletion(models.Model):
    """That an owner deleted a device's readings. The entry names both by handles; this row names nobody."""

    entry_id = models.UUIDField(unique=True)

    def __str__(self) -> str:
        return f"deletion {self.entry_id}"


class LeftFile(models.Model):
    """A file of the default storage, or a folder (ending in a slash), that an erasure has yet to remove."""

    path = models.CharField(max_length=255, unique=True)

    def __str__(self) -> str:
        return self.path
