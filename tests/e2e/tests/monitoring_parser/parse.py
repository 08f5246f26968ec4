"""Reads OpenMetrics on standard input with Prometheus' own strict parser; writes every sample as JSON."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

samples = []
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        samples.append({"family": family.name, "type": family.type, "unit": family.unit, "help": family.documentation,
                        "name": sample.name, "labels": sample.labels, "value": sample.value})
json.dump(samples, sys.stdout)
