from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("hosting", "0024_days_with_downtime"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="limitreached",
            name="each_threshold_is_said_once",
        ),
        migrations.AddConstraint(
            model_name="limitreached",
            constraint=models.UniqueConstraint(
                fields=("instance", "limit", "month", "threshold", "allowed"),
                name="each_threshold_is_said_once",
            ),
        ),
    ]
