"""The lint rules: name, what is wrong in general, and the message for one place.

The names and messages are the reference's, so that `# check=skip=Name` and editors work alike.
docs/dockerfile/rules/ has a page for each.
"""

from __future__ import annotations

from builder.dockerfile.record import Record


class Rule(Record):
    """A lint rule; `message` is a format string."""

    name: str
    summary: str
    message: str
    experimental: bool = False

    @property
    def page(self) -> str:
        """The page of the documentation, relative to docs/."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.name).lstrip("-")
        return f"dockerfile/rules/{words.replace('j-s-o-n', 'json')}.md"


_ALL = (
    Rule(
        "StageNameCasing",
        "Stage names should be lower case",
        "Stage name '{name}' should be lowercase",
    ),
    Rule(
        "FromAsCasing",
        "FROM and AS should be written in the same case",
        "'{as_}' and '{from_}' keywords' casing do not match",
    ),
    Rule(
        "NoEmptyContinuation",
        "A blank line should not stand inside a continued instruction",
        "Empty continuation line",
    ),
    Rule(
        "ConsistentInstructionCasing",
        "All instructions should be written in the same case",
        "Command '{name}' should match the case of the command majority ({casing})",
    ),
    Rule(
        "DuplicateStageName",
        "Stage names should be unique",
        "Duplicate stage name {name}, stage names should be unique",
    ),
    Rule(
        "ReservedStageName",
        "A stage should not be called context or scratch",
        "Stage name should not use the same name as reserved stage {name}",
    ),
    Rule(
        "JSONArgsRecommended",
        "CMD and ENTRYPOINT should be JSON arrays, so that signals reach the process",
        "JSON arguments recommended for {name} to prevent unintended behavior"
        " related to OS signals",
    ),
    Rule(
        "MaintainerDeprecated",
        "MAINTAINER should be a label",
        "Maintainer instruction is deprecated in favor of using label",
    ),
    Rule(
        "UndefinedArgInFrom",
        "FROM should use only declared ARGs",
        "FROM argument '{name}' is not declared{meant}",
    ),
    Rule(
        "WorkdirRelativePath",
        "The first WORKDIR should be absolute",
        "Relative workdir {path} can have unexpected results if the base image changes",
    ),
    Rule(
        "UndefinedVar",
        "Variables should be defined before they are used",
        "Usage of undefined variable '${name}'{meant}",
    ),
    Rule(
        "MultipleInstructionsDisallowed",
        "CMD, ENTRYPOINT and HEALTHCHECK should stand once in a stage",
        "Multiple {name} instructions should not be used in the same stage because only the"
        " last one will be used",
    ),
    Rule(
        "LegacyKeyValueFormat",
        "ENV and LABEL should be written name=value",
        '"{name} key=value" should be used instead of legacy "{name} key value" format',
    ),
    Rule(
        "InvalidBaseImagePlatform",
        "The base image should be for the platform that is built",
        "Base image {image} was pulled with platform {actual}, expected {expected} for current"
        " build",
    ),
    Rule(
        "RedundantTargetPlatform",
        "FROM --platform=$TARGETPLATFORM is the default",
        "Setting platform to predefined {platform} in FROM is redundant as this is the default"
        " behavior",
    ),
    Rule(
        "SecretsUsedInArgOrEnv",
        "Secrets should not be in ARG or ENV",
        "Do not use ARG or ENV instructions for sensitive data ({keyword} {name})",
    ),
    Rule(
        "InvalidDefaultArgInFrom",
        "FROM should be valid with the defaults of global ARGs",
        "Default value for ARG {base} results in empty or invalid base image name",
    ),
    Rule(
        "FromPlatformFlagConstDisallowed",
        "FROM --platform should not be a constant",
        "FROM --platform flag should not use constant value {platform}",
    ),
    Rule(
        "CopyIgnoredFile",
        "COPY and ADD should not name what .dockerignore leaves out",
        "Attempting to {name} file {path} that is excluded by .dockerignore",
    ),
    Rule(
        "InvalidDefinitionDescription",
        "A comment above FROM or ARG should begin with the name it describes",
        "Comment for {keyword} should follow the format: `# {name} <description>`",
        experimental=True,
    ),
    Rule(
        "ExposeProtoCasing",
        "The protocol of EXPOSE should be lower case",
        "Defined protocol '{port}' in EXPOSE instruction should be lowercase",
    ),
    Rule(
        "ExposeInvalidFormat",
        "EXPOSE should not name an address or a host's port",
        "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'",
    ),
)
RULES = {rule.name: rule for rule in _ALL}
