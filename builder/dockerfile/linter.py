"""Collecting lint findings, and the options that silence or select rules.

# check=skip=RuleA,RuleB;error=true;experimental=RuleC      for the file, at its top
# check=skip=RuleA                                          for the instruction below
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile.directives import DirectiveReader
from builder.dockerfile.errors import DockerfileError, SourceRange
from builder.dockerfile.record import Record
from builder.dockerfile.rules import RULES, Rule
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = "all"


class Finding(Record):
    """One place where a rule is broken."""

    rule: Rule
    message: str
    range: SourceRange

    def __str__(self) -> str:
        return f"{self.range.start} {self.rule.name}: {self.message}"


class CheckOptions(Record):
    """Options of a `check` directive; a set that holds "all" means every rule."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def merged(self, other: CheckOptions) -> CheckOptions:
        """These options and another's rules; `error` stays as it is."""
        return self.replace(
            skip=self.skip | other.skip, experimental=self.experimental | other.experimental
        )

    def wants(self, rule: Rule) -> bool:
        """Whether a finding of the rule is reported."""
        if rule.experimental:
            return bool(self.experimental & {ALL, rule.name})
        return not self.skip & {ALL, rule.name}


def parse_check_options(text: str) -> CheckOptions:
    """Parse the value of a `check` directive. Raises DockerfileError."""
    options = CheckOptions()
    for part in filter(None, [part.strip() for part in text.strip().split(";", 2)]):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in ("skip", "error", "experimental"):
            shown = part if not equals else name
            raise DockerfileError(
                f"failed to parse check options: invalid check option {golang.quote(shown)}",
                near=part,
                suggestion=did_you_mean(name, ("skip", "error", "experimental")),
            )
        if name == "error":
            truth = golang.parse_bool(value)
            if truth is None:
                raise DockerfileError(
                    "failed to parse check options: failed to parse check option"
                    f" {golang.quote(part)}: strconv.ParseBool: parsing {golang.quote(value)}:"
                    " invalid syntax",
                    near=part,
                )
            options = options.replace(error=truth)
        else:
            rules = frozenset(rule.strip() for rule in value.split(","))
            options = options.replace(**{name: rules})
    return options


class Linter:
    """Collects findings."""

    def __init__(self, options: CheckOptions = CheckOptions()) -> None:  # noqa: B008
        self.options = options
        self.findings: list[Finding] = []

    def report(
        self,
        rule: str,
        range: SourceRange,  # noqa: A002
        comments: Iterable[str] = (),
        **values: str,
    ) -> None:
        """Note a broken rule unless the options, or a comment above the place, silence it."""
        broken = RULES[rule]
        if self._options_for(comments).wants(broken):
            self.findings.append(Finding(broken, broken.message.format(**values), range))

    def _options_for(self, comments: Iterable[str]) -> CheckOptions:
        for comment in comments:
            if not comment.lower().startswith("check"):
                continue
            directive = DirectiveReader(comment="").read(comment, 1)
            if directive is None or directive.name != "check":
                continue
            try:
                return self.options.merged(parse_check_options(directive.value.partition(" ")[0]))
            except DockerfileError:
                return self.options
        return self.options

    def raise_on_findings(self) -> None:
        """With `error=true`, raises DockerfileError when anything was found."""
        if self.options.error and self.findings:
            names = sorted({finding.rule.name for finding in self.findings})
            raise DockerfileError(
                f"lint violation found for rules: {', '.join(names)}", self.findings[0].range
            )
