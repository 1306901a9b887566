from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Clients and access"

    def ready(self) -> None:
        """Register the system checks."""
        from tenants import checks  # noqa: F401, PLC0415  (importing registers them)
