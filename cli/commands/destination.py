"""`gantry bridge destination`: where a force's reads are delivered."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer
from gantry.bridge.v1.bridge_pb2 import Destination, DestinationImages, DestinationSettings

from cli.exits import CliError, Exit
from cli.forms import destination_form
from cli.jsonlines import write_json
from cli.links import connect
from cli.options import ForceOption, ForcesOption, PurposeOption, ReferenceOption, one_force, purpose_of
from cli.output import Column, note, table
from cli.patience import run_patiently
from cli.verbs import Session, verb
from clients.bridge import BridgeClient

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The destination's name.")]
Change = Callable[[BridgeClient, str], Awaitable[Destination]]
_COLUMNS: Final = (
    Column("force"),
    Column("name"),
    Column("adapter", rank=5),
    Column("options", rank=3),
    Column("images", rank=6),
    Column("desired", rank=4),
    Column("state"),
    Column("delivered", right=True, rank=2),
    Column("behind", right=True),
    Column("why", least=16, rank=1),
)
_IMAGES = {"none": "NONE", "patch": "PLATE_PATCH", "both": "BOTH"}


@verb
def add(
    session: Session,
    name: NameArgument,
    *,
    adapter: Annotated[
        str, typer.Option(help="What speaks its protocol, for example nas or nadc.", show_default=False)
    ],
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="An option of the adapter, for example target=HOST:PORT; repeat for more.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[str, typer.Option(metavar="none|patch|both", help="Which pictures it gets.")] = "both",
    identity: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="Whose certificate the bridge shows to it; default: its own.",
            show_default=False,
        ),
    ] = "",
    server_name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The name in its certificate; default: its host.", show_default=False
        ),
    ] = "",
    most_reads: Annotated[
        int, typer.Option(min=0, max=20_000, help="Most reads in one submission; 0: 5,000.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(min=0, max=600, help="Most seconds for one submission; 0: 30.")
    ] = 0,
) -> None:
    """Add a destination of a force. Delivery begins with the oldest read of the buffer."""
    settings = DestinationSettings(
        name=name,
        adapter=adapter,
        options=_options(option or []),
        images=_images(images),
        identity=identity,
        server_name=server_name,
        most_reads=most_reads,
        timeout_seconds=timeout,
    )
    why = purpose_of(purpose, reference)
    _change(session, force, "is added", lambda bridge, chosen: bridge.add(chosen, settings, why))


@verb
def list_destinations(session: Session, *, force: ForcesOption = None) -> None:
    """List destinations with their state."""
    run_patiently(session, "nas_bridge", lambda: _list(session, force or []))


@verb
def pause(
    session: Session,
    name: NameArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Pause delivery. Reads stay in the buffer until it is resumed."""
    why = purpose_of(purpose, reference)
    _change(session, force, "is paused", lambda bridge, chosen: bridge.pause(chosen, name, why))


@verb
def resume(
    session: Session,
    name: NameArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Resume delivery after a pause, or after refusals have stopped it."""
    why = purpose_of(purpose, reference)
    _change(session, force, "delivers again", lambda bridge, chosen: bridge.resume(chosen, name, why))


@verb
def retire(
    session: Session,
    name: NameArgument,
    *,
    purpose: PurposeOption,
    force: ForceOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Retire a destination for good. Retention no longer waits for it."""
    why = purpose_of(purpose, reference)
    _change(session, force, "is retired", lambda bridge, chosen: bridge.retire(chosen, name, why))


def _change(session: Session, force: str | None, became: str, change: Change) -> None:
    """Make a change that may be repeated, and say what the destination became."""

    async def work() -> None:
        async with connect(session.home, session.person) as links:
            chosen = one_force(links.person, force)
            destination = await change(await links.bridge(), chosen)
        if session.as_json:
            write_json(destination_form(chosen, destination))
        else:
            note(f"destination {destination.name} of {chosen} {became}; it takes effect within five seconds")

    run_patiently(session, "nas_bridge", work)


async def _list(session: Session, forces: list[str]) -> None:
    found: list[tuple[str, Destination]] = []
    async with connect(session.home, session.person) as links:
        chosen, bridge = links.person.chosen(forces), await links.bridge()
        for force in chosen:
            found += [(force, destination) for destination in await bridge.destinations(force)]
    forms = [destination_form(*one) for one in found]
    if session.as_json:
        write_json({"destinations": forms})
        return
    if not found:
        note("no destinations; `gantry bridge destination add` adds one")
        return
    table(_COLUMNS, [_row(form) for form in forms])


def _row(form: dict[str, object]) -> list[str]:
    options = " ".join(f"{name}={value}" for name, value in sorted(dict(form["options"]).items()))  # type: ignore[call-overload]
    why = form["stopped_reason"] or form["last_error"] or ("paused by a person" if form["paused"] else "")
    texts = ("force", "name", "adapter"), ("images", "desired_state", "state")
    before, after = ([str(form[name]) for name in names] for names in texts)
    return [*before, options, *after, f"{form['delivered']:,}", f"{form['lag']:,}", str(why)]


def _options(pairs: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name or not value:
            raise CliError(f"--option {pair}: say NAME=VALUE, for example target=nas.example:443", Exit.USAGE)
        options[name] = value
    return options


def _images(text: str) -> DestinationImages.ValueType:
    if text not in _IMAGES:
        raise CliError(f"--images {text}: say {', '.join(_IMAGES)}", Exit.USAGE)
    return DestinationImages.Value(f"DESTINATION_IMAGES_{_IMAGES[text]}")
