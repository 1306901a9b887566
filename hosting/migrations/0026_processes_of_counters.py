from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("hosting", "0025_limits_of_larger_plans"),
    ]

    operations = [
        migrations.AddField(
            model_name="usagecounter",
            name="started",
            field=models.FloatField(
                help_text="When the app's process began, as it says itself: seconds since 1970.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="usagecounter",
            name="read_at",
            field=models.DateTimeField(help_text="When it was read and had changed."),
        ),
    ]
