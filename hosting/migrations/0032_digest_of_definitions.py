"""Definitions are compared by a digest of theirs.

PostgreSQL writes the table anew for it and holds it meanwhile: a second for some 17,000 instances.
"""

from django.db import migrations, models
from django.db.models.functions import MD5, Cast


class Migration(migrations.Migration):
    dependencies = [("hosting", "0031_container_states")]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="definition_digest",
            field=models.GeneratedField(
                db_persist=True,
                expression=MD5(Cast("definition", models.TextField())),
                help_text=(
                    "So that the definitions of a fleet are compared without reading any of them."
                ),
                output_field=models.CharField(max_length=32),
            ),
        )
    ]
