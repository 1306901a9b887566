from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("hosting", "0021_second_place_since"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="backup",
            options={
                "ordering": ("-created_at",),
                "permissions": (
                    ("make_backup", "Can have backups made, and keep them"),
                    ("download_backup", "Can take backups out, with every secret in them"),
                ),
            },
        ),
    ]
