"""Labels pictures with models: what `spotlet label` calls."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from spotlet.errors import DatasetError, SourceError, SpotletError, UsageError
from spotlet.pipeline import Workers, map_in_order, plan_workers
from spotlet.session import SessionSettings
from spotlet_training.labelling.assigning import assign
from spotlet_training.labelling.folder import SetFolder
from spotlet_training.labelling.input import Input
from spotlet_training.labelling.label_file import Run
from spotlet_training.labelling.picture import LabelledPicture, label_picture
from spotlet_training.labelling.report import write_page
from spotlet_training.labelling.settings import LabelSettings
from spotlet_training.labelling.sources import Inputs, find_inputs
from spotlet_training.labelling.summary import LabelSummary, count_classes
from spotlet_training.labelling.teachers import Assignment, Teacher, open_teachers

SAVE_SECONDS = 20.0
"""How often the label file is replaced: a kill loses no more than the labels since."""

MOST_SAVING = 0.1
"""Share of the time that replacing it may take, which grows with the set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCallbacks:
    """What to call during a labelling.

    Attributes:
        on_start: once, with the number of pictures; None if there are videos.
        on_picture: after each picture, whether labelled, there already or skipped.
        on_note: with a line for the user.
    """

    on_start: Callable[[int | None], None] = lambda _count: None
    on_picture: Callable[[], None] = lambda: None
    on_note: Callable[[str], None] = lambda _line: None


def label(
    settings: LabelSettings,
    callbacks: LabelCallbacks = LabelCallbacks(),
    *,
    teachers: Sequence[Teacher] = (),
) -> LabelSummary:
    """Labels pictures and writes them as a set in COCO JSON, with a report page.

    Pictures that the set holds already keep their labels, so that an interrupted call can be
    repeated. Whatever ends the call, the set is valid; without any picture there is none.

    Args:
        settings: what to label, and how.
        callbacks: to follow it.
        teachers: objects that label, besides those that the settings name; called by one thread.

    Raises:
        InputError: a model, a program, a labelled set or the folder cannot be used, or no
            picture can be read.
        UsageError: a setting does not fit the others, or the set that exists.
    """
    if not (settings.models or settings.runners or teachers):
        raise UsageError("no teacher: give at least one model, or a program as a runner")
    inputs = find_inputs(settings)
    for note in inputs.notes:
        callbacks.on_note(note)
    alone = bool(settings.runners or teachers)  # programs, and strangers' code
    workers = Workers(threads=settings.threads)
    if not alone:
        workers = plan_workers(settings.threads, sources=1, live=False)
    session = SessionSettings(threads=workers.threads, provider=settings.provider)
    with ExitStack() as stack:
        everyone = [*open_teachers(settings, session, stack), *teachers]
        folder, assignments = assign(
            settings, inputs.class_names, everyone, stack, callbacks.on_note
        )
        return _label_all(settings, inputs, folder, assignments, workers, callbacks)


def _label_all(
    settings: LabelSettings,
    inputs: Inputs,
    folder: SetFolder,
    assignments: Sequence[Assignment],
    workers: Workers,
    callbacks: LabelCallbacks,
) -> LabelSummary:
    def placed() -> Iterator[tuple[Input, str, bool]]:
        for item in inputs:
            if item.fault is not None:
                yield item, item.name, False
            else:
                yield item, *folder.place(item)

    def work(job: tuple[Input, str, bool]) -> LabelledPicture | SpotletError | None:
        item, name, is_there = job
        if is_there:
            return None
        try:
            return label_picture(item, name, assignments, folder.class_names, settings)
        except (DatasetError, SourceError) as error:
            return error

    run: Run = {
        each.teacher.name: {
            name: round(float(each.thresholds[index]), 4)
            for index, name in enumerate(folder.class_names)
            if each.knows[index]
        }
        for each in assignments
    }
    added: set[str] = set()
    kept = 0
    skipped: list[str] = []
    due = time.monotonic() + SAVE_SECONDS
    callbacks.on_start(inputs.count)
    try:
        with closing(map_in_order(placed(), work, workers)) as results:
            for (item, _, _), result in results:
                if result is None:
                    kept += 1
                elif isinstance(result, LabelledPicture):
                    folder.add(item, result.picture, result.content, result.own)
                    added.add(result.picture.file_name)
                else:
                    skipped.append(str(result))
                    callbacks.on_note(f"skipped: {result}")
                now = time.monotonic()
                if now >= due:
                    folder.save(run)
                    took = time.monotonic() - now
                    due = now + max(SAVE_SECONDS, took / MOST_SAVING)
                callbacks.on_picture()
    except SpotletError as error:
        if added:
            error.args = (
                f"{error}; {len(added)} pictures are new in {settings.out}, and the same "
                "command continues",
            )
        raise
    finally:
        folder.save(run)
    if folder.replaced:
        callbacks.on_note(f"{folder.replaced} pictures: labels of a person replaced suggestions")
    if folder.contested:
        callbacks.on_note(
            f"{folder.contested} pictures with labels are in {settings.out} already, with labels "
            "of a person, which stay"
        )
    if not folder.content.entries:
        raise SourceError(f"no picture can be read ({len(skipped)} tried); the first: {skipped[0]}")
    counts, teachers = count_classes(folder.content)
    return LabelSummary(
        out=settings.out,
        added=len(added),
        kept=kept,
        skipped=tuple(skipped),
        classes=counts,
        teachers=teachers,
        page=write_page(folder, counts, teachers),
    )
