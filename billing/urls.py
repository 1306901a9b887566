"""The dashboard's addresses of this room, below each client's."""

from django.urls import path

from billing.views import costs

urlpatterns = [
    path("instances/<slug:name>/costs/", costs.page, name="costs"),
    path("instances/<slug:name>/costs.csv", costs.as_csv, name="costs_csv"),
]
