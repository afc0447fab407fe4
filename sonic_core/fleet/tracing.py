"""Traces by OpenTelemetry through service, queue and worker: one trace for each job, across processes.

Off unless SONIC_TRACING is set and the library is installed (`pip install opentelemetry-sdk` and an exporter); where it
goes is OpenTelemetry's own configuration (OTEL_*). The trace travels in the job's row, so that it survives the queue
and every attempt shows in it. Spans carry ids and stages, never names, texts or links.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HEADER = "traceparent"


def is_on() -> bool:
    return bool(os.environ.get("SONIC_TRACING"))


@contextmanager
def span(name: str, parent: str | None = None, **about: str | int | float) -> Iterator[None]:
    """A span while the block runs; below `parent` (a job's trace) where there is one. Nothing when tracing is off."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    from opentelemetry.propagate import extract

    context = extract({HEADER: parent}) if parent else None
    with tracer.start_as_current_span(name, context=context, attributes=dict(about)):
        yield


def current() -> str | None:
    """The current trace, in the form that a job's row keeps."""
    if _tracer() is None:
        return None
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get(HEADER)


def _tracer() -> Any:
    if not is_on():
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("sonic-studio")
