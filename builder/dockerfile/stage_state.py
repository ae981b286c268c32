"""The state of a stage while its instructions are read one after the other.

Two environments exist and differ: the image's (ENV, in the order of first mention) and the
process's (ENV and ARG, last writer wins, a changed variable moves to the end).
"""

from __future__ import annotations

from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode, process_word
from builder.dockerfile.record import Record
from builder.dockerfile.scopes import CONTROL_ARGS
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.dockerfile.errors import SourceRange
    from builder.dockerfile.ignore import IgnoreRules
    from builder.dockerfile.image_config import ImageConfig
    from builder.dockerfile.instructions import Instruction
    from builder.dockerfile.linter import Linter
    from builder.dockerfile.platforms import Platform
    from builder.dockerfile.scopes import GlobalScope
    from builder.dockerfile.steps import Declared, Origin, Step


class Settings(Record):
    """What is the same for all stages of one resolution."""

    escape: str
    build_args: Mapping[str, str]
    scope: GlobalScope
    proxy_env: tuple[str, ...]
    epoch: int | None
    linter: Linter
    ignore: IgnoreRules | None


class StageState:
    """A stage being read.

    Attributes:
        settings: of the resolution.
        name: for messages.
        platform: of the stage's files.
        image: its configuration so far.
        env: the process's environment.
        cwd: the working directory, absolute or "".
        user: of USER.
        build_args: ARGs declared so far, the base stage's first: name and value (None without).
        workdir_was_set: whether a WORKDIR came in this file.
        seen: the place of the last CMD, ENTRYPOINT and HEALTHCHECK of this stage.
        declared: what `outline` shows.
        secrets, ssh: ids used by mounts: whether required, and where.
        steps: so far.
        from_onbuild: whether the current instruction is a trigger.
        source_of: the origin that a `from` names; the second argument is a mount's target, "" for
            COPY. Raises DockerfileError.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        platform: Platform,
        image: ImageConfig,
        source_of: Callable[[str, str], Origin],
    ) -> None:
        self.settings = settings
        self.name = name
        self.platform = platform
        self.image = image
        self.env: dict[str, str] = {}
        self.cwd = ""
        self.user = ""
        self.build_args: list[tuple[str, str | None]] = []
        self.workdir_was_set = False
        self.seen: dict[str, SourceRange] = {}
        self.declared: dict[str, Declared] = {}
        self.secrets: dict[str, tuple[bool, SourceRange]] = {}
        self.ssh: dict[str, tuple[bool, SourceRange]] = {}
        self.steps: list[Step] = []
        self.from_onbuild = False
        self.source_of = source_of

    def set_env(self, name: str, value: str) -> None:
        """Set a variable of the process's environment; it moves to the end."""
        self.env.pop(name, None)
        self.env[name] = value

    def expand(self, word: str, instruction: Instruction) -> str:
        """A word with its variables expanded; unknown ones are reported and empty.

        Raises DockerfileError.
        """
        return self.expand_in(word, instruction, Mode(self.settings.escape))

    def expand_in(self, word: str, instruction: Instruction, mode: Mode) -> str:
        """The same in another mode."""
        expansion = process_word(word, self.env, mode)
        if expansion.undefined:
            known = {name for name, _ in self.build_args}.union(CONTROL_ARGS)
            for name in sorted(expansion.undefined - known):
                meant = did_you_mean(name, self.env)
                self.report(
                    "UndefinedVar",
                    instruction,
                    name=name,
                    meant=f" (did you mean ${meant}?)" if meant else "",
                )
        return expansion.text

    def report(
        self,
        rule: str,
        instruction: Instruction,
        at: SourceRange | None = None,
        **values: str,
    ) -> None:
        """A lint finding at an instruction (or elsewhere, still silenced by its comments)."""
        place = at or instruction.range
        self.settings.linter.report(rule, place, instruction.comments, **values)

    def commit(self, created_by: str, *, has_layer: bool) -> Mapping[str, object]:
        """Add an entry to the image's history."""
        return self.image.commit(created_by, has_layer=has_layer, epoch=self.settings.epoch)

    def title(self, text: str, mode: Mode, env: Mapping[str, str] | None = None) -> str:
        """An instruction's text for progress: variables expanded, the name in upper case."""
        try:
            text = process_word(text, self.env if env is None else env, mode).text
        except DockerfileError:
            pass  # a shell's own syntax that is not ours: shown as it is
        name, blank, rest = text.partition(" ")
        return name.upper() + blank + rest

    def shell(self) -> tuple[str, ...]:
        """The shell of the shell form."""
        shell = self.image.words("Shell")
        if shell:
            return shell
        if self.image.platform.os == "windows":
            return ("cmd", "/S", "/C")
        return ("/bin/sh", "-c")
