"""Who detects in a run: the detector, and how many cores work on how many frames."""

import argparse

from spotlet.commands.options import tell_provider
from spotlet.detector import Detector
from spotlet.model.providers import CPU_PROVIDER, full_provider_name
from spotlet.pipeline import Workers, plan_workers
from spotlet.session import SessionSettings
from spotlet.streams import locate_source


def plan_run(args: argparse.Namespace, settings: SessionSettings) -> Workers:
    """Returns how the cores are shared out among the frames of these sources.

    Args:
        args: of `spotlet run`.
        settings: their `threads` is the number of cores that detection may use, 0 for all.

    Raises:
        SourceError: a source is not there.
        UsageError: onnxruntime knows no such provider.
    """
    if full_provider_name(settings.provider) != CPU_PROVIDER:
        # What is no core has a queue of its own, and not every provider may be called twice.
        return Workers(threads=settings.threads)
    live = args.mode == "live" or (
        args.mode is None and all(locate_source(source).is_live for source in args.source)
    )
    return plan_workers(settings.threads, sources=len(args.source), live=live)


def open_detector(args: argparse.Namespace, settings: SessionSettings) -> Detector:
    """Returns the detector, and says on standard error which provider it got.

    Raises:
        SpotletError: the model or an argument cannot be used.
    """
    detector = Detector(
        args.model,
        variant=args.variant,
        score_threshold=args.score,
        iou_threshold=args.iou,
        session=settings,
    )
    tell_provider(detector, debug=getattr(args, "debug", False))
    return detector
