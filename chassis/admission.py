"""Two checks before a handler runs: may this caller call the RPC, and may it make this request?

The first check uses the headers, before any body is accepted. The second uses the first message: its forces
and its purpose. A person's call is recorded in the audit trail before the handler runs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from chassis.access import ANY_SERVICE, Auditor, AuditRule, FeedTokens, Rule
from chassis.arrivals import Arrivals
from chassis.errors import Fault, Forbidden, InvalidInput, NotFound, Unauthenticated, Unavailable
from chassis.identity import Call, Caller, certified_caller, remember, shows_certificate
from chassis.restoration import Restoration
from chassis.wellformed import require_wellformed

_AUTHORIZATION: Final = "authorization"
_BEARER: Final = "bearer "
_AUDIT_RETRY_SECONDS: Final = 1.0
_STOPPING_RETRY_SECONDS: Final = (0.1, 1.0)
_NOBODY_MAY: Final = Rule()
_UNWATCHED: Final = nullcontext()


@dataclass(frozen=True)
class Offices:
    """What the rules of a server need: the audit trail, the feeds' tokens, the directory of forces, the watch
    over messages that arrive, whether a restore of the database is finished.
    """

    auditor: Auditor | None = None
    feeds: FeedTokens | None = None
    known_force: Callable[[str], Awaitable[bool]] | None = None
    arrivals: Arrivals | None = None
    restoration: Restoration | None = None


class Gate:
    """Applies the rule of one RPC. Without a rule every call is refused.

    Only a `public` service takes the tokens of feeds. `stopping` is set when the server is told to stop.
    Raises ValueError for a rule that needs something that the server does not have.
    """

    def __init__(
        self, method: str, rule: Rule | None, offices: Offices, *, public: bool, stopping: asyncio.Event
    ) -> None:
        self._rule = rule or _NOBODY_MAY
        self._offices = offices
        self._stopping = stopping
        self.takes_tokens = public and self._rule.feeds
        self._arrivals = offices.arrivals if self.takes_tokens else None
        self.judges_message = self._rule.reads_message
        _check(method, self._rule, offices)

    def admit(self, context: Call) -> Caller:
        """Judge the headers. Raises Forbidden CALLER_NOT_ALLOWED, Unauthenticated TOKEN_MISSING or
        TOKEN_UNKNOWN, Unavailable RESTORE_IN_PROGRESS.
        """
        caller = self._caller(context)
        if self._rule.closed_while_restoring:
            assert self._offices.restoration is not None, "checked when the rule was given"
            self._offices.restoration.require_open()
        remember(context, caller)
        return caller

    def require_running(self) -> None:
        """Refuse a call that begins after the server was told to stop. Raises Unavailable STOPPING.

        Nothing of it was done, so another replica, or this one after its start, can do it.
        """
        if self._stopping.is_set():
            raise Unavailable(
                "STOPPING",
                "this server stops and takes no new calls; call again",
                # Spread here too, since not every client adds jitter.
                retry_after=random.uniform(*_STOPPING_RETRY_SECONDS),  # noqa: S311 - no secret
            )

    def watched(self, context: Call, caller: Caller) -> AbstractContextManager[None]:
        """Watches what arrives for a feed's call. Raises the fault for a connection that holds too much."""
        if self._arrivals is None or caller.kind != "feed":
            return _UNWATCHED
        return self._arrivals.call(context, min(caller.forces, default=""))

    async def judge(self, message: Any, caller: Caller) -> None:
        """Judge the first message, and write a person's audit record.

        Raises InvalidInput TIME_INVALID, TEXT_INVALID, FORCE_INVALID or PURPOSE_REQUIRED, Forbidden
        FORCE_NOT_PERMITTED, NotFound FORCE_UNKNOWN, Unavailable AUDIT_UNAVAILABLE.
        """
        if isinstance(message, Message):  # a handler may take bytes as they came
            require_wellformed(message)
        rule = self._rule
        forces: Sequence[str] = () if rule.forces is None else rule.forces(message)
        for force in forces:
            await self._check_force(force, caller)
        if caller.kind == "person":
            purpose = None if rule.purpose is None else rule.purpose(message)
            if rule.audit is not None:
                await self._record(rule.audit, message, dict.fromkeys(forces), caller.name, purpose)

    def _caller(self, context: Call) -> Caller:
        token = _token_of(context) if self.takes_tokens else None
        if token is not None:
            return self._feed(token)
        caller = certified_caller(context)
        if not _admits(self._rule, caller):
            raise self._refusal(caller, context)
        return caller

    def _refusal(self, caller: Caller, context: Call) -> Fault:
        """What the caller lacks, in the words of the port that it called."""
        if self.takes_tokens:
            return _token_missing()
        if caller.kind == "none" and not shows_certificate(context):
            return _certificate_missing()
        return _not_allowed()

    def _feed(self, token: str) -> Caller:
        assert self._offices.feeds is not None, "checked when the rule was given"
        feed = self._offices.feeds.caller(token)
        if feed is None:
            raise Unauthenticated(
                "TOKEN_UNKNOWN", "no feed has this token, or it was revoked; ask the force's ANPR engineer"
            )
        return feed

    async def _check_force(self, force: str, caller: Caller) -> None:
        if not caller.may_work_for(force):
            raise Forbidden(
                "FORCE_NOT_PERMITTED",
                "your certificate does not name the force you asked for",
                field=self._rule.force_field,
            )
        known = self._offices.known_force
        if known is not None and not self._rule.force_is_new and not await known(force):
            raise NotFound("FORCE_UNKNOWN", "there is no such force", field=self._rule.force_field)

    async def _record(
        self, rule: AuditRule, message: Any, forces: dict[str, None], person: str, purpose: Any
    ) -> None:
        assert self._offices.auditor is not None, "checked when the rule was given"
        subject = rule.subject(message)
        for force in forces:
            try:
                await self._offices.auditor.record(force, person, rule.action, purpose, subject)
            except (InvalidInput, NotFound):
                raise
            except Fault as fault:
                raise _audit_unavailable(fault) from fault


def _check(method: str, rule: Rule, offices: Offices) -> None:
    if rule.feeds and offices.feeds is None:
        raise ValueError(f"{method} admits feeds, so the server needs to know their tokens (feeds=...)")
    if rule.audit is not None and offices.auditor is None:
        raise ValueError(f"{method} is audited, so the server needs an auditor (auditor=...)")
    if rule.closed_while_restoring and offices.restoration is None:
        raise ValueError(f"{method} is closed while restoring, so the server needs to know (restoration=...)")
    if rule.audit is not None and rule.forces is None:
        raise ValueError(f"{method} is audited, so its rule should say where the force is")


def _admits(rule: Rule, caller: Caller) -> bool:
    if rule.anyone:
        return True
    if caller.kind == "service":
        return caller.name in rule.services or ANY_SERVICE in rule.services
    return caller.kind == "person" and rule.people and rule.permits(caller, rule.permission)


def _token_of(context: Call) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == _AUTHORIZATION and isinstance(value, str) and value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip() or None
    return None


def _not_allowed() -> Forbidden:
    return Forbidden("CALLER_NOT_ALLOWED", "the access rule of this call does not admit you")


def _certificate_missing() -> Forbidden:
    return Forbidden(
        "CALLER_NOT_ALLOWED",
        "a feed's token does not open this service; this port takes reads, and everything else is on a port "
        "for certificates",
    )


def _token_missing() -> Unauthenticated:
    return Unauthenticated(
        "TOKEN_MISSING", "send the feed's token as metadata `authorization: Bearer <token>` with every call"
    )


def _audit_unavailable(fault: Fault) -> Unavailable:
    return Unavailable(
        "AUDIT_UNAVAILABLE",
        "the audit record could not be written, and nothing was done; call again",
        retry_after=fault.retry_after or _AUDIT_RETRY_SECONDS,
    )
