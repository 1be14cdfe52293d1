"""The OAuth half of the fake FCM: a service account, and access tokens for who can sign as it.

Source: RFC 7523 (JWT bearer grant) and Google's "Using OAuth 2.0 for server to server
applications"; error bodies as oauth2.googleapis.com words them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.clock import Clock
from firmware_sim.fcm_answers import Answer, scope_insufficient, unauthenticated

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SEND_SCOPES: Final = frozenset(
    {
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    }
)
# google-auth names it as the audience whatever the key file says.
GOOGLE_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
SCOPE_PREFIX: Final = "https://www.googleapis.com/auth/"
TOKEN_LIFE_S: Final = 3599  # what Google's answers say
# Google refuses assertions that live longer than an hour, or that were made in the future.
ASSERTION_LIFE_LIMIT_S: Final = 3600
CLOCK_SKEW_S: Final = 300


@dataclass(frozen=True, slots=True)
class _Grant:
    until: datetime
    scopes: frozenset[str]


class TokenIssuer:
    """Mints a service account's key, and access tokens for assertions signed with it."""

    def __init__(self, clock: Clock, chance: Random, project_id: str) -> None:
        self._clock = clock
        self._chance = chance
        self._project_id = project_id
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = f"{chance.getrandbits(160):040x}"
        self.email: Final = f"firebase-adminsdk-sim@{project_id}.iam.gserviceaccount.com"
        self._granted: dict[str, _Grant] = {}

    def service_account_json(self, token_uri: str) -> dict[str, str]:
        """A key file that works here, in the form the Firebase console hands out."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": self._project_id,
            "private_key_id": self._key_id,
            "private_key": pem.decode(),
            "client_email": self.email,
            "client_id": "100000000000000000000",
            "token_uri": token_uri,
        }

    def answer(self, form: Mapping[str, str], token_uri: str) -> Answer:
        """The answer to a token request."""
        if form.get("grant_type") != GRANT:
            return _refusal("unsupported_grant_type", "Invalid grant_type")
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                self._key.public_key(),
                algorithms=["RS256"],
                # The times are judged below, by our own clock.
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return _refusal("invalid_grant", "Invalid JWT Signature.")
        if claims.get("iss") != self.email:
            return _refusal("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in {token_uri, GOOGLE_AUDIENCE}:
            return _refusal("invalid_grant", "Invalid JWT: Failed audience check.")
        if not self._is_timely(claims.get("iat"), claims.get("exp")):
            return _refusal(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.",
            )
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes or not all(scope.startswith(SCOPE_PREFIX) for scope in scopes):
            return _refusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return self._grant(scopes)

    def objection(self, authorization: str | None) -> Answer | None:
        """Why a request with this Authorization header may not send; None when it may."""
        if authorization is None:
            return unauthenticated("Request is missing required authentication credential.")
        scheme, _, token = authorization.partition(" ")
        grant = self._granted.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None or grant.until <= self._clock.now():
            return unauthenticated()
        return None if grant.scopes & SEND_SCOPES else scope_insufficient()

    def revoke_all(self) -> None:
        """No access token handed out so far works any longer."""
        self._granted.clear()

    def _grant(self, scopes: frozenset[str]) -> Answer:
        now = self._clock.now()
        self._granted = {t: grant for t, grant in self._granted.items() if grant.until > now}
        token = f"ya29.c.{self._chance.getrandbits(512):0128x}"
        self._granted[token] = _Grant(now + timedelta(seconds=TOKEN_LIFE_S), scopes)
        body = {"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}
        return Answer(200, json.dumps(body).encode())

    def _is_timely(self, issued_at: object, expires_at: object) -> bool:
        if not isinstance(issued_at, int | float) or not isinstance(expires_at, int | float):
            return False
        now_s = self._clock.now().timestamp()
        return (
            issued_at <= now_s + CLOCK_SKEW_S
            and now_s - CLOCK_SKEW_S < expires_at <= issued_at + ASSERTION_LIFE_LIMIT_S
        )


def _refusal(error: str, description: str) -> Answer:
    return Answer(400, json.dumps({"error": error, "error_description": description}).encode())
