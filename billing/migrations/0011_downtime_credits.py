"""Credits for downtime; and the drafts of a client are found by it."""

import django.db.models.deletion
from django.db import migrations, models

KEPT = """
CREATE TRIGGER billing_downtimecredit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON billing_downtimecredit FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
ALTER TABLE billing_downtimecredit ENABLE ALWAYS TRIGGER billing_downtimecredit_append_only;
"""
NOT_KEPT = "DROP TRIGGER billing_downtimecredit_append_only ON billing_downtimecredit;"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_exports"),
        ("tenants", "0004_audit_by_client"),
    ]

    operations = [
        migrations.CreateModel(
            name="DowntimeCredit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(help_text="Its first day, by the client's clock.")),
                ("percent", models.DecimalField(decimal_places=3, max_digits=6)),
                (
                    "amount",
                    models.DecimalField(decimal_places=3, help_text="Without VAT.", max_digits=20),
                ),
                ("evidence", models.JSONField(default=dict)),
                ("given_at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-month", "subscription"),
            },
        ),
        migrations.RemoveIndex(
            model_name="invoice",
            name="invoice_to_be_issued",
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="kind",
            field=models.CharField(
                choices=[
                    ("recurring", "Plan"),
                    ("setup", "Setup"),
                    ("usage", "Usage"),
                    ("adjustment", "Late usage"),
                    ("downtime", "Credit for downtime"),
                    ("discount", "Discount"),
                    ("credit", "Credit"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("state", "draft")),
                fields=["client", "issue_after"],
                name="invoice_to_be_issued",
            ),
        ),
        migrations.AddField(
            model_name="downtimecredit",
            name="invoice",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.invoice"
            ),
        ),
        migrations.AddField(
            model_name="downtimecredit",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.subscription",
            ),
        ),
        migrations.AddConstraint(
            model_name="downtimecredit",
            constraint=models.UniqueConstraint(
                fields=("subscription", "month"), name="one_credit_a_month_and_instance"
            ),
        ),
        migrations.AddConstraint(
            model_name="downtimecredit",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("percent__gt", 0), ("percent__lte", 100)),
                name="downtime_credits_are_a_share",
            ),
        ),
        migrations.RunSQL(KEPT, NOT_KEPT),
    ]
