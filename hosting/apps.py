from django.apps import AppConfig
from django.db.models.signals import post_migrate


class HostingConfig(AppConfig):
    name = "hosting"
    verbose_name = "Hosting"

    def ready(self) -> None:
        """Register the system checks, and give the staff groups their permissions."""
        from hosting import checks  # noqa: F401  (importing registers them)
        from hosting.services.groups import sync_own
        from hosting.services.measuring import usage_moves
        from tenants import hooks

        hooks.register_move_listener(usage_moves.mark)
        post_migrate.connect(sync_own, sender=self)
