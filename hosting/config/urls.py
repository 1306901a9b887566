"""Where everything is found."""

from django.contrib import admin
from django.urls import include, path

from billing.views.online import stripe_events
from hosting.api.problems import not_found
from hosting.config.api import api
from tenants.views.account import address

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/email/", address, name="account_email"),  # in place of allauth's
    path("account/", include("allauth.account.urls")),
    path("api/v1/", api.urls),
    path("api/", not_found),
    path("api/<path:path>", not_found),
    path("payments/stripe", stripe_events, name="stripe_events"),
    path("c/<slug:client>/", include("billing.urls")),
    path("", include("hosting.urls")),
]
