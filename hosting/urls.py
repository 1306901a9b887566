"""The dashboard's addresses."""

from django.urls import include, path

from hosting.views import (
    audit,
    backups,
    deleted,
    downloads,
    incidents,
    instances,
    metrics,
    new_versions,
    notifications,
    operations,
    orders,
    restores,
    to_a_minute,
    upgrades,
    usage,
    usage_tokens,
)
from tenants.views.home import home

in_client = [
    path("", instances.index, name="instances"),
    path("instances/new", orders.order, name="order"),
    path("instances/new/plans", orders.plans, name="order_plans"),
    path("instances/new/name", orders.name, name="order_name"),
    path("instances/<slug:name>/", instances.page, name="instance"),
    path("instances/<slug:name>/start", instances.start, name="instance_start"),
    path("instances/<slug:name>/stop", instances.stop, name="instance_stop"),
    path("instances/<slug:name>/restart", instances.restart, name="instance_restart"),
    path("instances/<slug:name>/retry", instances.retry, name="instance_retry"),
    path("instances/<slug:name>/delete", instances.delete, name="instance_delete"),
    path(
        "instances/<slug:name>/backups/<uuid:backup_id>/download",
        downloads.backup,
        name="backup_download",
    ),
    path(
        "instances/<slug:name>/backups/<uuid:backup_id>/restore",
        restores.restore,
        name="backup_restore",
    ),
    path(
        "instances/<slug:name>/backups/<uuid:backup_id>/clone",
        restores.clone,
        name="backup_clone",
    ),
    path("instances/<slug:name>/restore-to", to_a_minute.restore, name="restore_to"),
    path("instances/<slug:name>/go-back", instances.go_back, name="instance_go_back"),
    path("instances/<slug:name>/upgrade", upgrades.upgrade, name="instance_upgrade"),
    path("instances/<slug:name>/new-versions", new_versions.choose, name="instance_new_versions"),
    path("instances/<slug:name>/backup", instances.back_up, name="instance_back_up"),
    path("instances/<slug:name>/backups/", backups.index, name="backups"),
    path("instances/<slug:name>/incidents/", incidents.index, name="incidents"),
    path(
        "instances/<slug:name>/incidents/availability.csv",
        incidents.availability_csv,
        name="availability_csv",
    ),
    path("instances/<slug:name>/incidents/<uuid:incident_id>/", incidents.page, name="incident"),
    path("instances/<slug:name>/usage/", usage.page, name="usage"),
    path("instances/<slug:name>/usage/<slug:slug>", usage.chart, name="usage_chart"),
    path("instances/<slug:name>/usage/<slug:slug>.csv", usage.as_csv, name="usage_csv"),
    path("instances/<slug:name>/usage-tokens", usage_tokens.index, name="usage_tokens"),
    path(
        "instances/<slug:name>/usage-tokens/<uuid:token_id>/revoke",
        usage_tokens.revoke,
        name="usage_token_revoke",
    ),
    path("backups/<uuid:backup_id>/keep", backups.keep, name="backup_keep"),
    path("backups/<uuid:backup_id>/let-go", backups.let_go, name="backup_let_go"),
    path("deleted-instances/", deleted.index, name="deleted_instances"),
    path("backups/<uuid:backup_id>/new-instance", deleted.make, name="deleted_clone"),
    path("operations/<uuid:operation_id>/", operations.page, name="operation"),
    path("operations/<uuid:operation_id>/cancel", operations.cancel, name="operation_cancel"),
    path("notifications/", notifications.index, name="notifications"),
    path("notifications/<uuid:channel_id>/test", notifications.test, name="channel_test"),
    path("notifications/<uuid:channel_id>/remove", notifications.remove, name="channel_remove"),
    path("audit/", audit.index, name="audit"),
]

urlpatterns = [
    path("", home, name="home"),
    path("metrics", metrics.berth, name="metrics"),
    path("metrics/instances", metrics.instances, name="metrics_instances"),
    path("c/<slug:client>/", include(in_client)),
]
