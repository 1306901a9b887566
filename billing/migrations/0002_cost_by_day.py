from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_model_costs")]

    operations = [
        migrations.AddIndex(
            model_name="modelcost",
            index=models.Index(fields=["on"], name="cost_by_day"),
        ),
    ]
