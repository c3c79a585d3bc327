"""Errors that edge_affect raises on purpose; each message is one line for a user."""

from __future__ import annotations


class EdgeAffectError(Exception):
    """Base of every error raised on purpose: what, got, expected and how to mend it.

    ``exit_code`` is what a command ends with when this error stops it: 1 failed,
    2 wrong usage.
    """

    exit_code = 1


class UsageError(EdgeAffectError, ValueError):
    """A caller passed a value that can never work."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration key is unknown or its value is out of range."""


class MissingDependencyError(EdgeAffectError, ImportError):
    """An optional package is absent; the message names the extra that brings it."""


class SourceError(EdgeAffectError):
    """A camera, microphone or file cannot be opened or read."""


class WrongRateError(SourceError):
    """A device's sample rate is another one than it says."""


class BundleError(EdgeAffectError):
    """A bundle is incomplete, damaged, unsigned or of an unknown schema."""


class RunnerError(EdgeAffectError):
    """A graph cannot be loaded or run, or was given wrong tensors."""


class NonFiniteError(RunnerError):
    """A step produced NaN or infinity; its state was not committed."""


class StreamStateError(EdgeAffectError, RuntimeError):
    """A stream was used outside its life: before opening, after closing, or twice."""


class PurposeError(UsageError):
    """The purpose is missing, unknown, or forbids what this bundle estimates."""


class SinkError(EdgeAffectError):
    """An estimate, a report or a measurement cannot be written."""


class DataError(EdgeAffectError):
    """A data root, an annotation or a recording is not what its layout promises."""


def missing_package(
    error: ModuleNotFoundError, extra: str, purpose: str
) -> MissingDependencyError:
    """Return the error for whatever package of ``extra`` an import did not find.

    Raises:
        ModuleNotFoundError: ``error`` itself, if a module of this project is missing:
            installing something would not help.
    """
    package = (error.name or "").partition(".")[0]
    if package in ("", "edge_affect", "training", "quantize", "deploy", "benchmarks"):
        raise error
    return missing_dependency(package, extra, purpose)


def _from(extra: str) -> str:
    """Return what the extra is of: the workshop's come with a checkout alone."""
    return "." if extra in ("train", "quantize") else "edge_affect"


def missing_dependency(
    package: str, extra: str, purpose: str
) -> MissingDependencyError:
    """Return the error for an absent optional ``package`` of ``extra``."""
    return MissingDependencyError(
        f"{purpose} needs the package {package!r}, which is not installed; "
        f"install it with: python -m pip install '{_from(extra)}[{extra}]'"
    )


def refuse_beside(what: str, **given: object) -> None:
    """Raise UsageError for a setting that ``what`` holds already."""
    doubled = [name for name, value in given.items() if value is not None]
    if doubled:
        raise UsageError(
            f"{doubled[0]}: was given beside {what}, which holds it; leave one out"
        )
