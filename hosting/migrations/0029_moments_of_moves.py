"""Restores and upgrades have the moment of their operation, by which their lists are in order."""

import django.utils.timezone
from django.db import migrations, models

PERMISSIONS = {
    "restore": ("restore_backup", "Can restore backups and go back"),
    "upgrade": ("upgrade_instance", "Can upgrade instances to other versions and plans"),
}


def _column(model: str, *, db_index: bool) -> dict[str, object]:
    return {
        "model_name": model,
        "name": "requested_at",
        "field": models.DateTimeField(
            db_index=db_index,
            default=django.utils.timezone.now,
            editable=False,
            help_text="When its operation was.",
        ),
    }


_COPIED = {
    "restore": "UPDATE hosting_restore AS move SET requested_at = operation.requested_at"
    " FROM hosting_operation AS operation WHERE operation.id = move.operation_id",
    "upgrade": "UPDATE hosting_upgrade AS move SET requested_at = operation.requested_at"
    " FROM hosting_operation AS operation WHERE operation.id = move.operation_id",
}


class Migration(migrations.Migration):
    dependencies = [("hosting", "0028_container_health")]

    operations = [
        operation
        for model, permission in PERMISSIONS.items()
        for operation in (
            migrations.AddField(**_column(model, db_index=False)),
            migrations.RunSQL(_COPIED[model], migrations.RunSQL.noop),
            migrations.AlterField(**_column(model, db_index=True)),
            migrations.AlterModelOptions(
                name=model,
                options={"ordering": ("-requested_at",), "permissions": (permission,)},
            ),
        )
    ]
