"""One trace a job: the service's request, the job's row, the worker's stages. Off unless it is asked for."""

import json

import pytest
from fleet_stubs import stub_engine

from sonic_core.fleet import tracing
from sonic_core.fleet.worker import Worker

CONSENT = {"agreed": True, "subject": "a-name-of-somebody", "purpose": "a greeting"}


@pytest.fixture(scope="module")
def exporter():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def run(client, service, portrait, speech):
    files = {"image": portrait.read_bytes(), "audio": speech.read_bytes()}
    job = client.post("/jobs", files=files, data={"consent": json.dumps(CONSENT)}).json()
    assert Worker(service.ledger, service.stores, stub_engine).run_one(job["id"]).state == "done"
    return service.ledger.get(job["id"])


def ours(exporter):
    """Newer versions of FastAPI make spans of their own around them."""
    return [span for span in exporter.get_finished_spans() if span.instrumentation_scope.name == "sonic-studio"]


def test_a_job_is_one_trace(client, service, portrait, speech, exporter, monkeypatch):
    monkeypatch.setenv("SONIC_TRACING", "1")
    exporter.clear()
    job = run(client, service, portrait, speech)
    spans = {span.name: span for span in ours(exporter)}
    assert set(spans) == {"accept job", "job", "download", "generate", "upload"}
    assert {span.context.trace_id for span in spans.values()} == {int(job.trace.split("-")[1], 16)}
    assert spans["job"].parent.span_id == spans["accept job"].context.span_id
    assert spans["generate"].parent.span_id == spans["job"].context.span_id
    assert dict(spans["job"].attributes) == {"job": job.id, "attempt": 1}
    assert "a-name-of-somebody" not in "".join(span.to_json() for span in spans.values())


def test_off_by_default(client, service, portrait, speech, exporter):
    exporter.clear()
    assert run(client, service, portrait, speech).trace is None
    assert not ours(exporter) and not tracing.is_on()
