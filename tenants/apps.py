from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Clients and access"

    def ready(self) -> None:
        """Register the system checks, and give the staff groups their permissions."""
        from tenants import checks  # noqa: F401  (importing registers them)
        from tenants.services.groups import sync_own

        post_migrate.connect(sync_own, sender=self)
