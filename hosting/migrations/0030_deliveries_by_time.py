"""Messages are listed by when they were made, whichever channel they went to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hosting", "0029_moments_of_moves")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["-created_at"], name="delivery_by_time"),
        )
    ]
