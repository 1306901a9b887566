"""A model field whose value is encrypted under the key of the client it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from django.apps import apps
from django.core import checks
from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute
from django.views.decorators.debug import sensitive_variables

from tenants.crypto import datakeys, envelope
from tenants.crypto.envelope import DecryptionError

if TYPE_CHECKING:
    _Field = models.Field[str, str]
else:
    _Field = models.Field

FORMAT = 1
_HEADER_BYTES = 5  # the format, then the data key's version in four bytes, big-endian
HIDDEN = "[encrypted]"


class Ciphertext(bytes):
    """A value as it is stored. It shows nothing of itself."""

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    @property
    def version(self) -> int:
        """The version of the data key it is under; DecryptionError if it is no such value."""
        if len(self) <= _HEADER_BYTES or self[0] != FORMAT:
            raise DecryptionError("An encrypted value has an unknown format.")
        return int.from_bytes(self[1:_HEADER_BYTES], "big")


class _Plain:
    """A value that was assigned and is not saved yet: kept out of repr, logs and pickles."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret that is not saved yet can't be pickled.")

    def __deepcopy__(self, memo: dict[int, Any]) -> _Plain:
        return self


@sensitive_variables()
def encrypt(instance: models.Model, field: models.Field[Any, Any], text: str) -> Ciphertext:
    """The text under the newest key of the instance's client, bound to its row and field."""
    client_id = _client_of(instance)
    current = datakeys.lock_current(client_id)
    header = bytes([FORMAT]) + current.version.to_bytes(_HEADER_BYTES - 1, "big")
    associated = _associated(client_id, instance, field, current.version)
    return Ciphertext(header + envelope.seal(current.key, text.encode(), associated))


@sensitive_variables()
def decrypt(instance: models.Model, field: models.Field[Any, Any], value: Ciphertext) -> str:
    """The text; DecryptionError if it was made for another client, row or field, or altered."""
    client_id, version = _client_of(instance), value.version
    associated = _associated(client_id, instance, field, version)
    sealed = bytes(value[_HEADER_BYTES:])
    key = datakeys.cached(client_id, version)
    if key is None or not envelope.fits(key, sealed, associated):
        # A cached key can be of a version whose making was rolled back: ask the database.
        key = datakeys.load(client_id, version)
    return envelope.unseal(key, sealed, associated).decode()


def _client_of(instance: models.Model) -> UUID:
    client_id = getattr(instance, "encryption_client_id", None)
    if not isinstance(client_id, UUID):
        raise DecryptionError(f"This {instance._meta.verbose_name} belongs to no client.")
    return client_id


def _associated(
    client_id: UUID, instance: models.Model, field: models.Field[Any, Any], version: int
) -> bytes:
    """Ids, labels and numbers have no bar in them, so that no two values share these bytes."""
    name = f"{field.model._meta.label_lower}.{field.name}"
    return f"{client_id}|{instance.pk}|{name}|{version}|{FORMAT}".encode()


class _Lazily(DeferredAttribute):
    """Decrypts at every access, so that no plain text stays on an object that was loaded."""

    field: EncryptedTextField

    @sensitive_variables()
    def __get__(self, instance: models.Model | None, owner: Any = None) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            rows = type(instance)._base_manager.using(instance._state.db).filter(pk=instance.pk)
            instance.__dict__[name] = rows.values_list(name, flat=True).get()
        value = instance.__dict__[name]
        if isinstance(value, _Plain):
            return value.text
        return value if value is None else decrypt(instance, self.field, value)

    def __set__(self, instance: models.Model, value: Any) -> None:
        if isinstance(value, str):
            value = _Plain(value)
        elif not (value is None or isinstance(value, Ciphertext)):
            raise TypeError(f"{self.field} takes text, not {type(value).__name__}.")
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(_Field):
    """Text that is stored encrypted. Its model has a UUID as primary key and a property
    ``encryption_client_id``, the id of the client whose key it is.

    Save inside a transaction: the key is held until the commit. Queries on the value are refused,
    and so are ``update()``, ``bulk_update()`` and fixtures; ``bulk_create()`` works. It is in no
    form, no repr and no dump. The names of the model and the field are part of the encryption:
    a migration that renames one has to re-encrypt.
    """

    description = "Encrypted text"
    empty_strings_allowed = False
    descriptor_class = _Lazily

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """As every field, without what is always so."""
        name, _, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, "tenants.crypto.EncryptedTextField", args, kwargs

    def get_internal_type(self) -> str:
        """Stored as bytea."""
        return "BinaryField"

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse a model that can't say whose its values are."""
        problems = super().check(**kwargs)
        if not hasattr(self.model, "encryption_client_id"):
            hint = "Add a property encryption_client_id that returns the client's UUID."
            problems.append(
                checks.Error("The model of an encrypted field names no client.", hint, self)
            )
        if not isinstance(self.model._meta.pk, models.UUIDField):
            problems.append(
                checks.Error("The model of an encrypted field needs a UUID key.", obj=self)
            )
        if self.unique or getattr(self, "db_index", False):
            problems.append(checks.Error("An encrypted field can't be indexed.", obj=self))
        return problems

    def pre_save(self, model_instance: models.Model, add: bool) -> Ciphertext | None:
        """Encrypt what was assigned; prove that what was loaded is readable, under the newest key.

        Writing back a loaded value under an older version could outlive that version's removal.
        """
        if not transaction.get_connection(model_instance._state.db).in_atomic_block:
            raise transaction.TransactionManagementError(
                f"{self} is saved outside a transaction; use transaction.atomic()."
            )
        if self.attname in model_instance.__dict__ and (
            model_instance.__dict__[self.attname] is None
        ):
            return None
        return self._sealed(model_instance)

    @sensitive_variables()
    def _sealed(self, instance: models.Model) -> Ciphertext:
        text = getattr(instance, self.attname)
        value = instance.__dict__[self.attname]
        newest = datakeys.lock_current(_client_of(instance)).version
        if isinstance(value, Ciphertext) and value.version == newest:
            return value
        sealed = encrypt(instance, self, text)
        instance.__dict__[self.attname] = sealed
        return sealed

    def from_db_value(self, value: Any, *_: Any) -> Ciphertext | None:
        """The stored bytes; only the object they belong to can decrypt them."""
        return None if value is None else Ciphertext(value)

    def get_prep_value(self, value: Any) -> Any:
        """Only what :meth:`pre_save` made may go to the database."""
        if value is None or isinstance(value, Ciphertext):
            return value
        raise self._refusal("can be written only by saving its object")

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """Bytes for the driver."""
        value = self.get_prep_value(value)
        return None if value is None else bytes(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Nothing but "is it there" can be asked about an encrypted value."""
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise self._refusal("is encrypted and can't be searched for")

    def get_transform(self, lookup_name: str) -> Any:
        """As for lookups."""
        raise self._refusal("is encrypted and can't be searched for")

    def _refusal(self, why: str) -> FieldError:
        return FieldError(f"{self} {why}.")

    def formfield(self, *args: Any, **kwargs: Any) -> None:
        """In no form."""
        return

    def value_from_object(self, obj: models.Model) -> Any:
        """For serializers and forms: that there is a value, not which."""
        return None if obj.__dict__.get(self.attname) is None else HIDDEN

    def value_to_string(self, obj: models.Model) -> str:
        """For dumps, which can't be loaded again: restore a database from pg_dump."""
        return HIDDEN


def encrypted_fields() -> Iterator[tuple[type[models.Model], list[EncryptedTextField]]]:
    """Every model that has encrypted fields, with them."""
    for model in apps.get_models():
        fields = [each for each in model._meta.local_fields if isinstance(each, EncryptedTextField)]
        if fields and not model._meta.proxy:
            yield model, fields
