from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Have a say where hosting asks, and give the staff groups their permissions."""
        from billing.services.generated_bills import make
        from billing.services.groups import sync_own
        from billing.services.metering.counting import after_usage
        from billing.services.paying.debt_suspensions import refuse_order
        from billing.views.in_hosting import register
        from hosting import hooks

        hooks.register_usage_listener(after_usage)
        hooks.register_order_check(refuse_order)
        hooks.register_fleet_maker(make)
        register()
        post_migrate.connect(sync_own, sender=self)
