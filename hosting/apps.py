from django.apps import AppConfig


class HostingConfig(AppConfig):
    name = "hosting"
    verbose_name = "Hosting"

    def ready(self) -> None:
        """Register the system checks."""
        from hosting import checks  # noqa: F401, PLC0415  (importing registers them)
