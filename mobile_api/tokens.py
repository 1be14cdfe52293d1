"""Access tokens: signed, good for 15 minutes, and nothing in them but whose handset it is.

The refresh tokens that renew them are opaque and live in SQL (db.tokens).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import jwt

ALGORITHM: Final = "HS256"
ISSUER: Final = "corsia"
# Short, because a lost access token cannot be taken back.
ACCESS_LIFE: Final = timedelta(minutes=15)
# A shopper who opens the app twice a year stays signed in.
REFRESH_LIFE: Final = timedelta(days=180)
_CLAIMS: Final = ("aud", "exp", "iss", "sub")


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Makes and reads the access tokens of one operator."""

    key: bytes
    tenant: str

    def access_token(self, handset_id: str, now: datetime) -> tuple[str, datetime]:
        """A token for the handset, and the instant at which it ends."""
        until = now.replace(microsecond=0) + ACCESS_LIFE
        claims = {"iss": ISSUER, "aud": self.tenant, "sub": handset_id, "exp": until}
        return jwt.encode(claims, self.key, ALGORITHM), until

    def handset_id(self, token: str, now: datetime) -> str | None:
        """Whose token it is; None when it is not ours, altered or over."""
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[ALGORITHM],
                audience=self.tenant,
                issuer=ISSUER,
                # The library reads the machine's clock; ours is compared below.
                options={
                    "require": list(_CLAIMS),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError:
            return None
        if datetime.fromtimestamp(claims["exp"], UTC) <= now:
            return None
        return str(claims["sub"])
