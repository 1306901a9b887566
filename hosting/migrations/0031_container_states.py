"""How many of an instance's containers are in which state, for the metrics."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosting", "0030_deliveries_by_time")]

    operations = [
        migrations.AddField(
            model_name="containerhealth",
            name="states",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="How many of its containers are in which state,"
                " of those that are not well.",
            ),
        )
    ]
