"""Prometheus figures, read with Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.wire import Wire


def figures(wire: Wire) -> dict[str, float]:
    """Every sample by its name, labels in braces as in the text form, of the server at the other end."""
    answer = wire.ask("GET", "/-/metrics")
    assert answer.status == 200, answer
    assert (answer.header("Content-Type") or "").startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found, name
            found[name] = sample.value
    return found
