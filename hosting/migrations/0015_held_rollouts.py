from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosting", "0014_usage_limits")]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="held_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when it begins nothing more, by hand.",
                null=True,
                verbose_name="paused",
            ),
        ),
    ]
