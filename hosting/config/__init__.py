"""The project's configuration. Celery's application is loaded with Django, for shared tasks."""

from hosting.config.celery import app as celery_app

__all__ = ["celery_app"]
