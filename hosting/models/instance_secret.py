"""The generated secrets of an instance."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from hosting.models.instance import Instance
from tenants.crypto import DecryptionError, EncryptedTextField


class InstanceSecret(models.Model):
    """A generated secret of an instance, sealed under its client's data key.

    The row's id is derived from instance and name, and the seal is bound to the id: a value that
    somebody moves to another instance or name can't be read there.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=63)
    value = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("instance", "name"), name="one_value_per_secret"),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.instance_id}"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the id that belongs to instance and name; a row that is loaded keeps its own."""
        super().__init__(*args, **kwargs)
        if "name" in kwargs and "id" not in kwargs:  # rows are loaded by position
            self.id = self.id_for(self.instance_id, self.name)

    @staticmethod
    def id_for(instance_id: uuid.UUID, name: str) -> uuid.UUID:
        """The only id that a secret of that instance and name can have."""
        return uuid.uuid5(instance_id, name)

    def reveal(self) -> str:
        """The value. Raises ``DecryptionError`` where the row was tampered with."""
        if self.id != self.id_for(self.instance_id, self.name):
            raise DecryptionError(f"The secret {self.name} is not where it was put.")
        return str(self.value)

    @property
    def encryption_client_id(self) -> uuid.UUID:
        """Whose data key seals the value."""
        return self.instance.client_id
