"""What every service can be told, from ``GANTRY_*`` environment variables.

Nested settings join with two underscores: ``GANTRY_GRPC__LISTEN``. A bad value stops the start with
one sentence that names the variable.
"""

from __future__ import annotations

import re
from typing import Final, TypeGuard, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as MalformedSettingError

from chassis.sections import DatabaseSettings, GrpcSettings, HostPort, TelemetrySettings, TlsSettings

__all__ = [
    "DatabaseSettings",
    "GrpcSettings",
    "HostPort",
    "ServiceSettings",
    "SettingsError",
    "TelemetrySettings",
    "TlsSettings",
    "load_settings",
    "masked",
]

PREFIX: Final = "GANTRY_"
DELIMITER: Final = "__"
_SECRET_WORDS: Final = ("password", "secret", "token")
_MASK: Final = "********"

T = TypeVar("T", bound=BaseSettings)


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that names its variable."""


class ServiceSettings(BaseSettings):
    """The settings every service has; a service subclasses this and adds its own.

    A service with a database redeclares ``database: DatabaseSettings`` to make it required.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="ignore", frozen=True
    )

    tls: TlsSettings
    grpc: GrpcSettings = GrpcSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    database: DatabaseSettings | None = None


def load_settings(cls: type[T]) -> T:
    """Read `cls` from the environment. Raises SettingsError with one sentence."""
    try:
        return cls()
    except ValidationError as error:
        raise SettingsError(_sentence(error.errors()[0], cls)) from None
    except MalformedSettingError as error:
        raise SettingsError(_malformed(error)) from None


def masked(settings: BaseSettings) -> dict[str, str]:
    """The effective settings as variable names and values, secrets replaced by stars."""
    return dict(_flat(settings.model_dump(mode="json"), PREFIX))


def _flat(values: dict[str, object], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, dict):
            found += _flat(value, variable + DELIMITER)
        else:
            found.append((variable, _shown(name, value)))
    return found


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    # A secret's file name may be shown, its text never.
    return _MASK if _is_secret(name) else str(value)


def _malformed(error: MalformedSettingError) -> str:
    # pydantic-settings names the field only in its text.
    field = re.search(r'field "(\w+)"', str(error))
    variable = PREFIX + (field.group(1).upper() if field else "*")
    return f"{variable} should be JSON; or set its parts one by one, as {variable}{DELIMITER}NAME."


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS) and not name.lower().endswith("_file")


def _sentence(problem: ErrorDetails, cls: type[BaseSettings]) -> str:
    path = [str(part) for part in problem["loc"]]
    variable = PREFIX + DELIMITER.join(path).upper()
    if problem["type"] == "missing":
        return f"{_required_under(cls, path, variable)} is not set; give it a value."
    if problem["type"] == "extra_forbidden":
        return f"{variable} is not a setting of this service; remove it or correct its name."
    message = problem["msg"].removeprefix("Value error, ")
    given = "a secret" if _is_secret(variable) else repr(problem["input"])
    return f"{variable} is {given}, which cannot be used: {message[0].lower()}{message[1:].rstrip('.')}."


def _required_under(cls: type[BaseModel], path: list[str], variable: str) -> str:
    """Name the first required variable inside a section that is missing as a whole."""
    model: object = cls
    for part in path:
        model = (
            model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else None
        )
    if not _is_model(model):
        return variable
    inner = next((name for name, field in model.model_fields.items() if field.is_required()), None)
    return variable if inner is None else f"{variable}{DELIMITER}{inner.upper()}"


def _is_model(candidate: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
