"""From a parsed Dockerfile to stages of steps: `resolve`.

The order is the reference's, because it decides which error a file with several gets:

1. global ARGs;  2. every FROM;  3. the target;  4. references between stages;
5. base images and their ONBUILD triggers, until no more stages turn out to be needed;
6. the instructions of each needed stage, top to bottom.
"""

from __future__ import annotations

from builder.dockerfile import golang, scopes
from builder.dockerfile import instructions as ast
from builder.dockerfile.copy_steps import read_copy
from builder.dockerfile.epoch import fixed_epoch
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode, process_word
from builder.dockerfile.image_config import DEFAULT_PATH, ImageConfig
from builder.dockerfile.linter import Linter
from builder.dockerfile.metadata_steps import READERS, change_directory
from builder.dockerfile.parser import parse_trigger
from builder.dockerfile.platforms import Platform, host_platform, parse_platform
from builder.dockerfile.record import Record
from builder.dockerfile.references import normalize_reference
from builder.dockerfile.run_steps import read_run
from builder.dockerfile.stage_graph import SCRATCH, Placed, Stage, StageGraph, reachable
from builder.dockerfile.stage_state import Settings, StageState
from builder.dockerfile.steps import (
    ImageOrigin,
    NamedContext,
    Resolution,
    ResolvedStage,
    Scratch,
    StageOrigin,
)
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from builder.dockerfile.expansion import Expansion
    from builder.dockerfile.ignore import IgnoreRules
    from builder.dockerfile.steps import Origin

    BaseConfig = Callable[[str, Platform], Mapping[str, Any] | None]

_WELL_KNOWN = ("alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora")
_LAYOUT_PREFIXES = ("./", "../", "/", "oci-layout:", "oci:", "oci-archive:", "docker-archive:")
_IMAGE_CONTEXTS = ("docker-image://", "oci-layout://")


class Request(Record):
    """How a Dockerfile is to be built.

    Attributes:
        target: name or index of a stage, "" for the last.
        build_args: `--build-arg`.
        build_platform: where RUN steps are executed; None for this machine.
        target_platform: what is built; None to let the base image decide.
        named_contexts: `--build-context name=value`.
        labels: `--label`, added to the target's configuration.
        ignore: rules of the context's `.dockerignore`, for a lint rule.
        epoch: SOURCE_DATE_EPOCH in seconds; None takes it from the build argument or global ARG
            when that is a number.
        all_stages: also read the stages that the target does not need (for lint).
    """

    target: str = ""
    build_args: Mapping[str, str] = {}  # never changed
    build_platform: Platform | None = None
    target_platform: Platform | None = None
    named_contexts: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    ignore: IgnoreRules | None = None
    epoch: int | None = None
    all_stages: bool = False


def resolve(
    dockerfile: ast.Dockerfile,
    base_config: BaseConfig,
    request: Request = Request(),  # noqa: B008
    linter: Linter | None = None,
) -> Resolution:
    """Decide all that a Dockerfile decides without looking at files.

    Args:
        dockerfile: from `parse`.
        base_config: called with the full reference of each base image that is needed (or the
            text of an image context, or the path of a layout) and the platform wanted; returns
            the image's configuration (JSON object), or None for one that is not known (as in
            lint without network). What it raises passes through.
        request: what is to be built.
        linter: collects findings; see `builder.dockerfile.lint.check`.

    Raises:
        DockerfileError: with file, line and, where one word is at fault, column.
    """
    try:
        return _Resolver(dockerfile, base_config, request, linter or Linter()).resolve()
    except DockerfileError as error:
        raise error.within(dockerfile.filename, dockerfile.lines) from None


class _Resolver:
    def __init__(
        self,
        dockerfile: ast.Dockerfile,
        base_config: BaseConfig,
        request: Request,
        linter: Linter,
    ) -> None:
        self.dockerfile = dockerfile
        self.base_config = base_config
        self.request = request
        self.linter = linter
        self.build_platform = request.build_platform or request.target_platform or host_platform()
        self.target_platform = request.target_platform or self.build_platform
        self.graph = StageGraph(request.named_contexts)
        self.settings = self._settings()

    def resolve(self) -> Resolution:
        if not self.dockerfile.stages:
            raise DockerfileError(
                "dockerfile contains no stages to build", hint="a stage begins with FROM"
            )
        for index, source in enumerate(self.dockerfile.stages):
            self.graph.add(self._stage(index, source))
        target = self.graph.target(self.request.target)
        for stage in self.graph.stages:
            self.graph.connect(stage, stage.body)
        self.graph.check_cycles()
        needed = self._resolve_bases(target)
        for stage in self.graph.stages if self.request.all_stages else needed:
            self._read(stage)
        self.linter.raise_on_findings()
        stages = tuple(self._resolved(stage, stage is target) for stage in needed)
        return Resolution(stages, target.index, self.settings.epoch)

    # 1. Global scope.

    def _settings(self) -> Settings:
        stages = self.dockerfile.stages
        target_name = self.request.target or (stages[-1].from_.name if stages else "")
        build_args = dict(self.request.build_args)
        automatic = scopes.automatic_args(
            self.build_platform, self.target_platform, target_name, build_args
        )
        self._check_defaults(automatic)
        scope = scopes.global_scope(
            automatic, self.dockerfile.global_args, build_args, self.dockerfile.escape
        )
        epoch = self.request.epoch
        if epoch is None:
            epoch = fixed_epoch(build_args, scope)
        if epoch is not None:
            if "SOURCE_DATE_EPOCH" in build_args:
                build_args["SOURCE_DATE_EPOCH"] = str(epoch)
            if "SOURCE_DATE_EPOCH" in scope.values:
                scope = scope.replace(values={**scope.values, "SOURCE_DATE_EPOCH": str(epoch)})
        return Settings(
            self.dockerfile.escape,
            build_args,
            scope,
            scopes.proxy_env(build_args),
            epoch,
            self.linter,
            self.request.ignore,
        )

    def _check_defaults(self, automatic: Mapping[str, str]) -> None:
        """Report every FROM that is no image's name without build arguments."""
        try:
            scope = scopes.global_scope(
                automatic, self.dockerfile.global_args, {}, self.dockerfile.escape
            )
            for source in self.dockerfile.stages:
                from_ = source.from_
                name = process_word(from_.base, scope.values, self._mode).text
                try:
                    if not is_layout(name):
                        normalize_reference(name)
                except ValueError:
                    self.linter.report(
                        "InvalidDefaultArgInFrom", from_.range, from_.comments, base=from_.base
                    )
        except DockerfileError:
            return  # the same error comes again where it belongs

    @property
    def _mode(self) -> Mode:
        return Mode(self.dockerfile.escape)

    # 2. FROM.

    def _stage(self, index: int, source: ast.StageSource) -> Stage:
        from_ = source.from_
        try:
            base = self._expand(from_.base, from_)
            if not base.text:
                raise DockerfileError(
                    f"base name ({from_.base}) should not be blank",
                    near=from_.base,
                    hint="give its ARG a default before the first FROM",
                )
            stage = Stage(index, source, base.text)
            stage.used_args = base.used
            if from_.platform:
                platform = self._expand(from_.platform, from_)
                stage.requested = self._platform(from_, platform)
                stage.used_args |= platform.used
        except DockerfileError as error:
            raise error.at(from_.range) from None
        if from_.name:
            stage.replaced_by = self.graph.named_context(from_.name)
        return stage

    def _expand(self, word: str, from_: ast.From) -> Expansion:
        expansion = process_word(word, self.settings.scope.values, self._mode)
        known = {*self.settings.scope.values, *self.settings.scope.declared}
        for name in sorted(expansion.undefined - known):
            meant = did_you_mean(name, known)
            self.linter.report(
                "UndefinedArgInFrom",
                from_.range,
                from_.comments,
                name=name,
                meant=f" (did you mean {meant}?)" if meant else "",
            )
        return expansion

    def _platform(self, from_: ast.From, platform: Expansion) -> Platform:
        values = self.settings.scope.values
        near = f"--platform={from_.platform}"
        meant = next(
            filter(None, (did_you_mean(n, values) for n in sorted(platform.undefined))), ""
        )
        if (
            platform.used == {"TARGETPLATFORM"}
            and not platform.undefined
            and platform.text == values["TARGETPLATFORM"]
        ):
            self.linter.report(
                "RedundantTargetPlatform", from_.range, from_.comments, platform=from_.platform
            )
        if not platform.text:
            raise DockerfileError(
                f"empty platform value from expression {from_.platform}",
                near=near,
                suggestion=meant,
            )
        try:
            parsed = parse_platform(platform.text)
        except ValueError as why:
            raise DockerfileError(
                f"failed to parse platform {from_.platform}: {why}", near=near, suggestion=meant
            ) from None
        constant = not platform.used and not platform.undefined
        if constant and parsed.os not in from_.name and parsed.architecture not in from_.name:
            self.linter.report(
                "FromPlatformFlagConstDisallowed",
                from_.range,
                from_.comments,
                platform=golang.quote(platform.text),
            )
        return parsed

    # 5. Base images.

    def _resolve_bases(self, target: Stage) -> list[Stage]:
        """Resolve what the target needs; the needed stages in the order of the file."""
        while True:
            needed = reachable(target)
            wanted = set(self.graph.stages if self.request.all_stages else needed)
            for stage in self.graph.stages:
                if stage.base is None and not stage.is_resolved:
                    self._resolve_base(stage, is_needed=stage in wanted)
            has_new_needs = False
            for stage in needed:
                has_new_needs |= self._take_triggers(stage)
            if not has_new_needs:
                return needed

    def _resolve_base(self, stage: Stage, *, is_needed: bool) -> None:
        try:
            stage.is_resolved = is_needed
            platform = stage.requested or self.target_platform
            if stage.replaced_by:
                stage.origin = self._context(stage.replaced_by, platform)
                stage.body.clear()
            elif stage.base_name == SCRATCH:
                platform, stage.origin = self.target_platform, Scratch()
            else:
                stage.origin = self.origin_of(stage.base_name, platform)
            if is_needed:
                stage.image = self._image(stage, platform)
                if stage.image.platform.architecture and stage.replaced_by:
                    platform = stage.image.platform
                elif self.request.target_platform is None and stage.requested is None:
                    platform = self._detected(stage.image.platform, platform)
            stage.platform = platform
        except DockerfileError as error:
            raise error.at(stage.range) from None

    def _detected(self, found: Platform, platform: Platform) -> Platform:
        """Without a target platform, the base image's if this machine can build it."""
        same = (found.os, found.architecture) == (
            self.build_platform.os,
            self.build_platform.architecture,
        )
        return self.build_platform if same else platform

    def _image(self, stage: Stage, platform: Platform) -> ImageConfig:
        """Configuration of the base of a stage."""
        config = None
        if isinstance(stage.origin, ImageOrigin):
            config = self.base_config(stage.origin.reference, platform)
        elif isinstance(stage.origin, NamedContext) and stage.origin.value.startswith(
            _IMAGE_CONTEXTS
        ):
            config = self.base_config(stage.origin.value, platform)
        if config is None:
            return ImageConfig.empty(platform)
        image = ImageConfig(config)
        found = image.platform
        if isinstance(stage.origin, ImageOrigin) and (found.os, found.architecture) != (
            platform.os,
            platform.architecture,
        ):
            self.linter.report(
                "InvalidBaseImagePlatform",
                stage.range,
                image=stage.base_name,
                expected=golang.quote(str(platform.normalized())),
                actual=golang.quote(str(found.normalized())),
            )
        return image

    def _context(self, key: str, platform: Platform) -> Origin:
        value = self.request.named_contexts[key]
        if value == f"docker-image://{SCRATCH}":
            return Scratch()
        return NamedContext(key, value, platform)

    def origin_of(self, name: str, platform: Platform) -> Origin:
        """What a name that is no stage means: a named context or an image."""
        key = self.graph.named_context(name)
        if key:
            return self._context(key, platform)
        if is_layout(name):
            return ImageOrigin(name, name, platform)
        try:
            reference = normalize_reference(name)
        except ValueError as why:
            raise DockerfileError(
                f"failed to parse stage name {golang.quote(name)}: {why}",
                near=name,
                suggestion=did_you_mean(name, self.graph.names()),
            ) from None
        known = (*self.graph.names(), *_WELL_KNOWN)
        return ImageOrigin(name, reference, platform, did_you_mean(name, known))

    def _take_triggers(self, stage: Stage) -> bool:
        """Put the ONBUILD triggers of the base before the instructions of a stage.

        Whether they need stages or images that were not needed before.
        """
        if stage.triggers_taken:
            return False
        stage.triggers_taken = True
        triggers: list[str] = []
        if stage.base:
            triggers = [
                placed.instruction.trigger
                for placed in stage.base.body
                if isinstance(placed.instruction, ast.Onbuild)
            ]
        elif stage.image:
            triggers = list(stage.image.words("OnBuild"))
            stage.image.config.pop("OnBuild", None)
        if stage.replaced_by or not triggers:
            return False
        placed = [Placed(parse_trigger(text, stage.source.from_), True) for text in triggers]
        stage.body = [*placed, *stage.body]
        return self.graph.connect(stage, placed)

    # 6. Instructions.

    def _read(self, stage: Stage) -> None:
        state = self._initial_state(stage)
        if not stage.replaced_by:
            for placed in stage.body:
                self._read_instruction(state, placed)
        stage.state = state

    def _initial_state(self, stage: Stage) -> StageState:
        def source_of(name: str, mount_target: str) -> Origin:
            return self._source_of(stage, name, mount_target)

        if stage.base and stage.base.state:
            base = stage.base.state
            stage.platform, stage.origin = base.platform, StageOrigin(stage.base.index)
            image = base.image.copy()
            state = StageState(self.settings, stage.display_name, base.platform, image, source_of)
            state.image.config.pop("OnBuild", None)
            state.env.update(base.env)
            state.cwd, state.user = base.cwd, base.user
            state.build_args = list(base.build_args)
            state.workdir_was_set = base.workdir_was_set
            state.declared = dict(base.declared)
        else:
            platform = stage.platform or self.target_platform
            image = stage.image or ImageConfig.empty(platform)
            state = StageState(self.settings, stage.display_name, platform, image, source_of)
        names = [entry.partition("=")[0] for entry in state.image.env]
        if "PATH" not in names and state.platform.os != "windows" and not stage.replaced_by:
            state.image.env = [*state.image.env, f"PATH={DEFAULT_PATH}"]
        for entry in state.image.env:
            name, _, value = entry.partition("=")
            state.set_env(name, value)
        if state.image.text("WorkingDir"):
            change_directory(state, state.image.text("WorkingDir"))
        state.user = state.image.text("User")
        return state

    def _read_instruction(self, state: StageState, placed: Placed) -> None:
        instruction = placed.instruction
        state.from_onbuild = placed.from_onbuild
        try:
            if isinstance(instruction, ast.Run):
                read_run(state, instruction)
            elif isinstance(instruction, (ast.Copy, ast.Add)):
                read_copy(state, instruction)
            else:
                READERS[type(instruction)](state, instruction)
        except DockerfileError as error:
            error.phase = "conversion"
            raise error.at(instruction.range) from None

    def _source_of(self, stage: Stage, name: str, mount_target: str) -> Origin:
        """What a `from` of COPY (without mount target) or of a mount names."""
        source = self.graph.find(name) if mount_target else self.graph.find_source(name)
        if source is None:
            return Scratch() if name == SCRATCH else self.origin_of(name, self.target_platform)
        if source.state is not None:
            return StageOrigin(source.index)
        if mount_target:
            raise DockerfileError(
                f"cannot mount from stage {golang.quote(name)} to {golang.quote(mount_target)},"
                " stage needs to be defined before current command",
                near=f"from={name}",
            )
        raise DockerfileError(
            f"cannot copy from stage {golang.quote(name)}, it needs to be defined"
            f" before current stage {golang.quote(stage.display_name)}",
            near=f"--from={name}",
        )

    # Results.

    def _resolved(self, stage: Stage, is_target: bool) -> ResolvedStage:
        state, origin = stage.state, stage.origin
        if state is None or origin is None:
            raise AssertionError(f"stage {stage.display_name} was not read")
        if is_target:
            if self.request.labels:
                state.image.add("Labels", self.request.labels)
            self._set_platform(state.image)
        return ResolvedStage(
            stage.index,
            stage.name,
            stage.source.from_,
            origin,
            state.platform,
            tuple(state.steps),
            state.image.to_json(),
            frozenset(needed.index for needed in stage.with_dependencies()),
            state.declared,
        )

    def _set_platform(self, image: ImageConfig) -> None:
        """The target's configuration says what was asked for, whatever the base says."""
        wanted = self.request.target_platform
        if wanted is not None:
            found = image.platform
            same = (found.os, found.architecture) == (wanted.os, wanted.architecture)
            image.platform = wanted.replace(
                variant=wanted.variant or (found.variant if same else ""),
                os_version=wanted.os_version or (found.os_version if same else ""),
                os_features=wanted.os_features or found.os_features,
            )
        image.platform = image.platform.normalized()


def is_layout(name: str) -> bool:
    """Whether a base is the path of an image layout or archive instead of an image's name."""
    return name.startswith(_LAYOUT_PREFIXES)
