"""Builds images at the same time, as far as one does not stand on another, and says how it goes."""

import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from builder.docker_cli import BuildError
from builder.recipes import Recipe

# More at once only wait for each other: npm keeps a core busy.
AT_ONCE = min(4, len(os.sched_getaffinity(0)))
PULSE_SECONDS = 30.0


class Job:
    """One image on its way: what it is called, since when, and the step it is at."""

    def __init__(self, recipe: Recipe, reference: str) -> None:
        self.recipe, self.reference = recipe, reference
        self.began = time.monotonic()
        self.step = ""

    def at(self, step: str) -> None:
        """Note the step it has come to."""
        self.step = step

    def say(self, what: str) -> None:
        """Print a line: the image, what is the matter, how long it has taken so far."""
        print(f"{self.reference:<40} {what:<10} {self.seconds:6.1f} s", flush=True)

    def pulse(self) -> None:
        """Print that it is still being built, and where it is."""
        print(f"{self.reference:<40} at {self.seconds:.0f} s: {self.step[:100]}", flush=True)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began


def run(recipes: list[Recipe], prefix: str, make: Callable[[Job], str]) -> None:
    """Call `make` for each recipe, bases first; raises BuildError with all that failed.

    After a failure what is being built is finished and nothing more is begun.
    """
    waiting, running = list(recipes), dict[Future[str], Job]()
    failures: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while running or (waiting and not failures):
            while not failures and len(running) < AT_ONCE:
                recipe = ready(waiting, [job.recipe for job in running.values()])
                if recipe is None:
                    break
                waiting.remove(recipe)
                job = Job(recipe, f"{prefix}/{recipe.name}")
                running[pool.submit(make, job)] = job
            done, _ = wait(running, timeout=PULSE_SECONDS, return_when=FIRST_COMPLETED)
            if not done:
                for job in running.values():
                    job.pulse()
            for future in done:
                failures += _finish(running.pop(future), future)
    if failures:
        raise BuildError("\n\n".join(failures))


def _finish(job: Job, future: Future[str]) -> list[str]:
    try:
        job.say(future.result())
    except BuildError as error:
        job.say("FAILED")
        return [str(error)]
    return []


def ready(waiting: list[Recipe], running: list[Recipe]) -> Recipe | None:
    """Return the first recipe that stands on nothing that is still to be built.

    Two of one directory are not built at the same time: the second takes the first one's layers.
    """
    unfinished = {one.name for one in (*waiting, *running)}
    busy = {one.directory for one in running}
    for one in waiting:
        if one.base not in unfinished and one.directory not in busy:
            return one
    return None
