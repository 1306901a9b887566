from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("hosting", "0020_second_place"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondPlace",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("location", models.TextField()),
                ("since", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="second_place_is_one_row"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="journalpiece",
            name="until",
            field=models.DateTimeField(
                blank=True,
                help_text="What was committed up to then, by the database's clock, is in this one and those before it. None where more was to come.",
                null=True,
            ),
        ),
    ]
