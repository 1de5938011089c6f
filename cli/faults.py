"""Turns services' errors into sentences for people: what is wrong, where, and what to do."""

from typing import Final

import grpc

from chassis.errors import Fault, StartupFailure, fault_from
from cli.exits import CliError, Exit
from cli.inert import inert
from suite.errors import SuiteError

_EXITS: Final = {
    grpc.StatusCode.UNAVAILABLE: Exit.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Exit.UNREACHABLE,
    grpc.StatusCode.PERMISSION_DENIED: Exit.REFUSED,
    grpc.StatusCode.UNAUTHENTICATED: Exit.REFUSED,
    grpc.StatusCode.NOT_FOUND: Exit.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT: Exit.USAGE,
    grpc.StatusCode.OUT_OF_RANGE: Exit.USAGE,
}
_ADVICE: Final = {
    "UNAVAILABLE": "the service cannot be reached; see `gantry status`, or start the suite with `gantry up`",
    "DEADLINE_EXCEEDED": "the service did not answer in time; see `gantry status`",
    "FORCE_NOT_PERMITTED": "this person's certificate does not cover that force; choose another with --as",
    "CALLER_NOT_ALLOWED": "this person may not use that service; choose another with --as",
    "NUMBER_AHEAD": "the force has no event of that number yet: leave --after out or use --earliest",
    "NAME_INVALID": "that is no read_id: it has 1 to 128 printable characters",
    "TOKEN_UNKNOWN": "the feed's token is not valid; make a new one with `gantry camera enrol --new-token`",
    "TOKEN_MISSING": "no token was sent for the feed; enrol it with `gantry camera enrol`",
}

# A field of a request, as people give it.
_OPTIONS: Final = {
    "feed": "--feed",
    "note": "--note",
    "header.name": "--name",
    "purpose": "--purpose and --reference",
    "purpose.justification": "--purpose",
    "purpose.reference": "--reference",
    "force": "--force",
    "forces": "--force",
    "captured_from": "--from",
    "captured_to": "--to",
    "destination.name": "NAME",
    "destination.adapter": "--adapter",
    "destination.options": "--option",
    "destination.images": "--images",
    "destination.identity": "--identity",
    "destination.server_name": "--server-name",
    "destination.most_reads": "--most-reads",
    "destination.timeout_seconds": "--timeout",
}
# These stand alone on the command line, or their sentence names the place.
_UNNAMED: Final = frozenset({"chunk", "vrm", "alert_id", "read_id", "camera_id"})


def fault_of(error: grpc.aio.AioRpcError | Fault) -> Fault:
    """The fault of a failed call, made through a client or a stub."""
    return error if isinstance(error, Fault) else fault_from(error)


def explained(error: Exception) -> CliError:
    """Any error as a sentence with an exit code; unknown ones point to --debug."""
    if isinstance(error, grpc.aio.AioRpcError):
        error = fault_from(error)
    if isinstance(error, Fault):
        return from_fault(error)
    if isinstance(error, StartupFailure | SuiteError):
        sentence, *more = str(error).splitlines()
        return CliError(sentence, more=more)
    if isinstance(error, OSError):
        return CliError(_system_sentence(error))
    return CliError(f"something unexpected happened ({type(error).__name__}); --debug shows where")


def from_fault(fault: Fault) -> CliError:
    """A service's fault, with advice when its message does not say what to do."""
    code = _EXITS.get(fault.status, Exit.FAILED)
    advice = _ADVICE.get(fault.reason)
    if advice is None:
        advice = _in_our_words(fault) + ("; see `gantry status`" if code is Exit.UNREACHABLE else "")
    return CliError(advice, code, reason=fault.reason)


def _in_our_words(fault: Fault) -> str:
    """The service's sentence, with the option instead of the request's field."""
    message = inert(fault.message)
    if fault.field is None:
        return message
    said = message.removeprefix(f"{fault.field}: ")
    if option := _OPTIONS.get(fault.field):
        about = said.removeprefix(f"{fault.field} ") if "." in fault.field else said
        return f"{option}: {said}" if about == said else f"{option} {about}"
    if fault.field in _UNNAMED or fault.field in said:
        return said
    return f"{said} ({fault.field})"


def _system_sentence(error: OSError) -> str:
    what = inert(error.strerror or str(error))
    return f"{inert(str(error.filename))}: {what.lower()}" if error.filename else what
