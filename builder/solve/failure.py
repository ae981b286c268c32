"""A RUN step whose process failed: what a person needs to see to mend it."""

from __future__ import annotations

from builder.errors import BuilderError, StepFailedError
from builder.progress.text import shown as shown_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.dockerfile import Dockerfile, Step

_AROUND = 2


class FailedStepError(StepFailedError):
    """A step failed.

    Attributes:
        label, title: of the step, as progress shows them.
        tail: the last lines it wrote.
        filename, line: where it is in the Dockerfile.
    """

    def __init__(
        self,
        error: BuilderError,
        step: Step,
        dockerfile: Dockerfile,
        label: str,
        tail: Sequence[str],
    ) -> None:
        place = step.instruction.range
        super().__init__(
            f"{dockerfile.filename}:{place.start}: {error.message}",
            status=getattr(error, "status", 1),
            subject=step.title,
            hint=error.hint,
        )
        self.label = label
        self.title = step.title
        self.tail = tuple(tail)
        self.filename = dockerfile.filename
        self.line = place.start
        self._range = place
        self._lines = dockerfile.lines

    def report(self) -> str:
        """The last lines of output and the excerpt of the Dockerfile."""
        rule = "-" * 20
        shown = [rule, f" > [{self.label}] {self.title.splitlines()[0]}:"]
        shown += self.tail
        shown += [rule, f"{self.filename}:{self.line}", rule]
        first = max(1, self._range.start - _AROUND)
        last = min(len(self._lines), self._range.end + _AROUND)
        for number in range(first, last + 1):
            is_inside = self._range.start <= number <= self._range.end
            mark = ">>>" if is_inside else "   "
            text = shown_line(self._lines[number - 1].encode("utf-8", "surrogateescape"))
            shown.append(f"{number:>4} | {mark} {text}".rstrip())
        return "\n".join([*shown, rule])
