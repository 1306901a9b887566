"""Where everything is found."""

from django.contrib import admin
from django.urls import include, path

from tenants.views.account import address

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/email/", address, name="account_email"),  # in place of allauth's
    path("account/", include("allauth.account.urls")),
    path("", include("hosting.urls")),
]
