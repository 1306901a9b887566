"""Bringing up a new instance with the data of a backup, which is another's.

Beside the data it has nothing of that other: address, network and passwords are its own. The app's
own keys are the backup's, as nothing else reads its data.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from hosting.engines.errors import GiveUp
from hosting.flows import stacks
from hosting.flows.base import Flow, Step, Work
from hosting.flows.restoring import filling, fitting
from hosting.flows.running import edge, firewall, generations, preflight, stack
from hosting.flows.saving import choosing, reading
from hosting.flows.saving.backup import telling_damage
from hosting.models import Backup, Instance, Operation

PATIENCE = timedelta(seconds=30)
_HOURS = timedelta(hours=6)
# Volumes saved at rest have the password of then in them. The image trusts its own socket, and psql
# reads the new one itself: it is in no argument list.
_TAKE_OVER = """
psql -qX -v ON_ERROR_STOP=1 -U "$1" -d "$2" <<'SQL'
\\set password `printenv POSTGRES_PASSWORD || cat "$POSTGRES_PASSWORD_FILE"`
ALTER ROLE CURRENT_USER PASSWORD :'password';
SQL
"""


@telling_damage
def check(work: Work) -> None:
    """See that the backup is there and that there is room for it."""
    choosing.look(work, _source(work), partial(fitting.check, work))
    work.report("the backup is there")


@telling_damage
def read_back(work: Work) -> None:
    """Read all of the backup once: what is damaged is found before anything is made."""
    through = partial(reading.read_back, work, with_bases=False)
    choosing.look(work, _source(work), through)
    work.report("all of it is as it was written")


@telling_damage
def fill(work: Work) -> None:
    """Put the parts into the volumes, from the beginning each time."""
    backup = _source(work)
    if not work.instance.is_to_be_filled:
        raise GiveUp("The instance has run already: nothing is put over its data.")
    generations.remove_containers(work)
    generations.empty(work, work.instance.generation)
    work.engine.prepare(work.stack, report=work.report)
    filling.put(work, choosing.of(work, backup), work.instance.generation)
    if backup.manifest["at_rest"]:
        _set_passwords(work)


def check_data(work: Work) -> None:
    """Ask the databases the catalog's questions, before the app can change the answers."""
    fitting.refuse_misfits(work, fitting.answers(work, _source(work)))


def _source(work: Work) -> Backup:
    source = work.instance.made_from
    if source is None:
        raise GiveUp("Berth does not know which backup it is to be made from.")
    return source


def _set_passwords(work: Work) -> None:
    """Give the databases' users the passwords that the new instance has."""
    declared = stacks.definition(work.instance).berth.backup.postgres
    filling.bring_up(work, {each.service for each in declared})
    for each in declared:
        command = ("sh", "-c", _TAKE_OVER, "sh", each.user, each.database)
        instance = work.stack.instance
        result = work.engine.run(instance, each.service, command, timeout=PATIENCE)
        if result.exit_code != 0:
            said = result.output.strip()[:200]
            raise GiveUp(f"{each.service} did not take its new password: {said}")
        work.report(f"{each.service} has a password of its own")


CLONE = Flow(
    kind=Operation.Kind.CLONE,
    steps=(
        Step("check", "See that the backup is there", check, timedelta(minutes=5)),
        Step("room", "See that the server has room", preflight.room, timedelta(minutes=1)),
        Step("read", "Read the backup through", read_back, _HOURS),
        Step("pull", "Fetch the images", stack.pull, timedelta(minutes=20)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("prepare", "Create networks and volumes", stack.prepare, timedelta(minutes=2)),
        Step("fill", "Put the data of the backup in", fill, _HOURS),
        Step("check-data", "Compare the data with the backup", check_data, timedelta(hours=1)),
        Step("start", "Start the services", stack.apply, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", stack.wait_ready, timedelta(minutes=10)),
        Step("publish", "Publish the address", edge.route, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", edge.verify, timedelta(minutes=2)),
    ),
    succeeded_as=Instance.State.RUNNING,
)
