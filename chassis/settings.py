"""The settings of every service, from ``GANTRY_*`` environment variables.

Nested settings join with two underscores: ``GANTRY_GRPC__LISTEN``. A bad value or a misspelt name stops the
start with one sentence that names the variable.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar, Final, TypeGuard, TypeVar

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
_COMMON_SECTIONS: Final = frozenset({"tls", "grpc", "database", "telemetry"})
_SECRET_WORDS: Final = ("password", "secret", "token")
_MASK: Final = "********"

T = TypeVar("T", bound=BaseSettings)


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that names its variable."""


class ServiceSettings(BaseSettings):
    """The settings every service has; a service subclasses this and adds its own.

    A service with a database redeclares ``database: DatabaseSettings`` to make it required. `known_sections`
    are the sections of the services that may share its environment: a variable of any other is misspelt.
    """

    known_sections: ClassVar[frozenset[str]] = frozenset()

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="ignore", frozen=True
    )

    tls: TlsSettings
    grpc: GrpcSettings = GrpcSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    database: DatabaseSettings | None = None


def load_settings(cls: type[T], *, known: frozenset[str] | None = None) -> T:
    """Read `cls` from the environment. Raises SettingsError with one sentence.

    `known` are the sections of other settings in the same environment; by default those of a ServiceSettings.
    """
    if known is None:
        known = cls.known_sections if issubclass(cls, ServiceSettings) else frozenset()
    _check_sections(cls, known)
    try:
        return cls()
    except ValidationError as error:
        raise SettingsError(_sentence(_first(error.errors()), cls)) from None
    except MalformedSettingError as error:
        raise SettingsError(_malformed(error)) from None


def masked(settings: BaseModel, prefix: str = PREFIX) -> dict[str, str | None]:
    """The effective settings as variables with what to set them to; None for what is not set.

    Lists and maps are JSON. Secrets, also inside them, are replaced by stars.
    """
    written = settings.model_dump(mode="json")
    found: dict[str, str | None] = {}
    for name in type(settings).model_fields:
        variable, value = f"{prefix}{name.upper()}", getattr(settings, name)
        if isinstance(value, BaseModel):
            found |= masked(value, variable + DELIMITER)
        else:
            found[variable] = _text(_hidden(name, written[name]))
    return found


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hidden(name: str, value: object) -> object:
    # A secret's file name may be shown, its text never.
    if value is not None and _is_secret(name):
        return _MASK
    if isinstance(value, dict):
        return {key: _hidden(str(key), each) for key, each in value.items()}
    return [_hidden(name, each) for each in value] if isinstance(value, list) else value


def _check_sections(cls: type[BaseSettings], others: frozenset[str]) -> None:
    """Refuse a variable of an unknown section: its name is misspelt, and its value would be ignored."""
    known = {*_COMMON_SECTIONS, *cls.model_fields, *others}
    for variable in sorted(name.upper() for name in os.environ if name.upper().startswith(PREFIX)):
        section, nested, name = variable.removeprefix(PREFIX).partition(DELIMITER)
        if nested and section.lower() not in known:
            nearest = _nearest(section, known)
            model = _model_at(cls, [nearest.lower()])
            name = _nearest(name, model.model_fields) if model else name
            raise SettingsError(
                f"{variable} is not a setting of any service; remove it, or correct its name: "
                f"the nearest is {PREFIX}{nearest}{DELIMITER}{name}."
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    return get_close_matches(name.lower(), [*known], 1, 0.0)[0].upper()


def _first(problems: list[ErrorDetails]) -> ErrorDetails:
    """The problem to report. A misspelt name comes first, because it also leaves another variable unset."""
    return next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])


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
        return (
            f"{variable} is not a setting of this service; remove it, or correct its name{_near(cls, path)}."
        )
    message = problem["msg"].removeprefix("Value error, ")
    given = "a secret" if _is_secret(variable) else repr(_hidden("", problem["input"]))
    return f"{variable} is {given}, which cannot be used: {message[0].lower()}{message[1:].rstrip('.')}."


def _near(cls: type[BaseModel], path: list[str]) -> str:
    """The variable of the section that is nearest to a misspelt one."""
    section = _model_at(cls, path[:-1])
    if section is None:
        return ""
    nearest = [*path[:-1], _nearest(path[-1], section.model_fields)]
    return f": the nearest is {PREFIX}{DELIMITER.join(nearest).upper()}"


def _required_under(cls: type[BaseModel], path: list[str], variable: str) -> str:
    """Name the first required variable inside a section that is missing as a whole."""
    model = _model_at(cls, path)
    if model is None:
        return variable
    inner = next((name for name, field in model.model_fields.items() if field.is_required()), None)
    return variable if inner is None else f"{variable}{DELIMITER}{inner.upper()}"


def _model_at(cls: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    """The section that a path leads to, if it is one."""
    model: object = cls
    for part in path:
        model = (
            model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else None
        )
    return model if _is_model(model) else None


def _is_model(candidate: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
