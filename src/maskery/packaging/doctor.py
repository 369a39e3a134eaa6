"""``maskery doctor``: everything that a server's start and work depend on, each finding with its cure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings, load_settings
from maskery.core.version import __version__
from maskery.packaging.finding import Check, Level, SetupFinding, fault_of, fine
from maskery.packaging.machine_checks import address, clock, environment, limits, packages, runtimes, threads
from maskery.packaging.model_checks import cache, disk, licences, models

CHECKS: dict[str, Check] = {
    "environment": environment,
    "packages": packages,
    "runtimes": runtimes,
    "threads": threads,
    "limits": limits,
    "cache": cache,
    "disk": disk,
    "models": models,
    "licences": licences,
    "clock": clock,
    "address": address,
}


class Diagnosis(msgspec.Struct, frozen=True):
    """All findings, in the order of ``CHECKS``; ``level`` is the worst of them."""

    version: str
    level: Level
    findings: list[SetupFinding]


def diagnose(overrides: Mapping[str, Any] | None = None, config: Path | None = None) -> Diagnosis:
    """Look at everything. Wrong settings are a finding too; the rest is then looked at with the default ones."""
    findings: list[SetupFinding] = []
    try:
        settings = load_settings(overrides, config=config)
        findings.append(fine("settings", "known and within their ranges"))
    except ConfigError as error:
        settings = Settings()
        findings.append(fault_of("settings", error))
    for check in CHECKS.values():
        findings += check(settings)
    order: tuple[Level, ...] = ("ok", "warning", "fault")
    worst = max((one.level for one in findings), key=order.index)
    return Diagnosis(__version__, worst, findings)


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """A line a finding and, below it, its cure."""
    marks = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}
    lines = []
    for one in diagnosis.findings:
        lines.append(f"{marks[one.level]}  {one.subject:<11}  {one.says}")
        lines += [f"{'':>22}  -> {one.cure}"] if one.cure else []
    faults = sum(one.level == "fault" for one in diagnosis.findings)
    warnings = sum(one.level == "warning" for one in diagnosis.findings)
    return "\n".join([*lines, f"{faults} faults, {warnings} warnings"])
