"""Mails with invoices. What was issued before has none, and is sent where a person asks for it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_bank_statements"),
    ]

    operations = [
        migrations.AddField(
            model_name="seller",
            name="mails_e_invoices",
            field=models.BooleanField(
                default=False,
                help_text="The XML besides the PDF, which has the same within it.",
                verbose_name="mail e-invoices too",
            ),
        ),
        migrations.CreateModel(
            name="InvoiceMail",
            fields=[
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="mail",
                        serialize=False,
                        to="billing.invoice",
                    ),
                ),
                (
                    "send_at",
                    models.DateTimeField(blank=True, help_text="When it is tried next.", null=True),
                ),
                (
                    "mailed_at",
                    models.DateTimeField(blank=True, help_text="When it went out last.", null=True),
                ),
                ("mailed_to", models.JSONField(blank=True, default=list)),
                (
                    "times",
                    models.PositiveSmallIntegerField(default=0, help_text="How often it went out."),
                ),
                (
                    "failures",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often it was not taken since it was to be sent."
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "ordering": ("invoice",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("send_at__isnull", False)),
                        fields=["send_at"],
                        name="invoice_mail_to_send",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("mailed_at", None), ("times", 0)),
                            models.Q(("mailed_at__isnull", False), ("times__gte", 1)),
                            _connector="OR",
                        ),
                        name="mails_that_went_out_say_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("send_at__isnull", False),
                            ("mailed_at__isnull", False),
                            models.Q(("problem", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="mails_go_out_or_say_why_not",
                    ),
                ],
            },
        ),
    ]
