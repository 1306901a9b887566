"""How the admin looks: unfold's settings."""

from django.templatetags.static import static
from django.urls import reverse_lazy

UNFOLD = {
    "SITE_TITLE": "Berth",
    "SITE_HEADER": "Berth",
    "SITE_SUBHEADER": "Staff",
    "SITE_URL": reverse_lazy("home"),
    "SITE_ICON": lambda request: static("img/mark.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}
    ],
    "SHOW_HISTORY": True,  # leads to the audit log
    "BORDER_RADIUS": "6px",
    "STYLES": [
        lambda request: static("css/tokens.css"),
        lambda request: static("css/admin.css"),
    ],
    "SCRIPTS": [lambda request: static("js/admin.js")],
    "DASHBOARD_CALLBACK": "hosting.admin.dashboard.dashboard",
    "COLORS": {  # the greys and the accent of static/css/tokens.css
        "base": {
            "50": "#f7f8f9",
            "100": "#f2f4f6",
            "200": "#e3e6ea",
            "300": "#cdd3da",
            "400": "#a4adb7",
            "500": "#5f6873",
            "600": "#525b66",
            "700": "#3a424b",
            "800": "#282d34",
            "900": "#0e1013",
            "950": "#0a0c0e",
        },
        "primary": {
            "50": "#f6f5fe",
            "100": "#efeefc",
            "200": "#dcd9f9",
            "300": "#c2bdf5",
            "400": "#a39dff",
            "500": "#a39dff",
            "600": "#4a41cf",
            "700": "#3d35b4",
            "800": "#332d92",
            "900": "#2b2773",
            "950": "#22204a",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "navigation": "hosting.admin.navigation.sidebar",
    },
}
