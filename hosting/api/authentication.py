"""Who asks the API: the holder of a bearer token, and for what that token is."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security import HttpBearer

from hosting.catalog.credentials import USAGE_TOKEN_PREFIX
from hosting.models import UsageToken
from hosting.selectors.measuring import usage_tokens


class UsageBearer(HttpBearer):
    """The token of one instance, for reporting what that instance used and nothing else."""

    def authenticate(self, request: HttpRequest, token: str) -> UsageToken | None:
        """Whose token it is; None, and so a 401, where it is nobody's or revoked."""
        if not token.startswith(USAGE_TOKEN_PREFIX) or len(token) > 100 or not token.isascii():
            return None
        return usage_tokens.find(token)
