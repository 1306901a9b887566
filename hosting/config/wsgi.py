"""The WSGI entry point of the web process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")

application = get_wsgi_application()

from hosting.config.warm import warm_up  # noqa: E402  (Django has to be set up)
from tenants.crypto import verify_master_key  # noqa: E402

verify_master_key()  # refuses to start with a wrong key, in one sentence
warm_up()
