"""What a whole Dockerfile means: stages, scopes, triggers, environment."""

from __future__ import annotations

import pytest

from builder.dockerfile import (
    CopyStep,
    DockerfileError,
    ImageOrigin,
    MainContext,
    NamedContext,
    PathSource,
    Platform,
    Request,
    RunStep,
    Scratch,
    StageOrigin,
    WorkdirStep,
    parse,
    resolve,
)

AMD64 = Platform("linux", "amd64")
BASE = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Env": ["PATH=/bin"],
        "Entrypoint": ["/entry"],
        "Cmd": ["base"],
        "OnBuild": ["RUN from-trigger"],
        "User": "app",
        "WorkingDir": "/base",
        "Labels": {"base": "1"},
    },
    "history": [{"created_by": "base"}],
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "a" * 64]},
}
PLAIN = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]}}


def resolution(text, base=PLAIN, **request):
    request.setdefault("target_platform", AMD64)
    return resolve(parse(text), lambda reference, platform: base, Request(**request))


def target(text, base=PLAIN, **request):
    return resolution(text, base, **request).target_stage


def runs(text, base=PLAIN, **request):
    return [step for step in target(text, base, **request).steps if isinstance(step, RunStep)]


def env_of(step):
    return dict(entry.partition("=")[::2] for entry in step.env)


class TestStages:
    def test_the_last_stage_is_the_target(self):
        assert target("FROM a AS one\nFROM b AS two").name == "two"

    @pytest.mark.parametrize("wanted", ["one", "ONE", "0"])
    def test_a_stage_can_be_named_or_numbered(self, wanted):
        assert target("FROM a AS one\nFROM b", target=wanted).name == "one"

    def test_stages_that_are_not_needed_are_left_out(self):
        found = resolution("FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=x / /")
        assert [stage.index for stage in found.stages] == [0, 2]

    def test_only_bases_that_are_needed_are_asked_for(self):
        asked = []

        def base(reference, platform):
            asked.append(reference)
            return PLAIN

        resolve(parse("FROM a AS x\nFROM b"), base, Request(target_platform=AMD64))
        assert asked == ["docker.io/library/b:latest"]

    def test_a_later_stage_of_the_same_name_wins(self):
        found = resolution("FROM a AS x\nFROM b AS x\nFROM x")
        assert found.target_stage.base == StageOrigin(1)

    @pytest.mark.parametrize(
        ("text", "origin"),
        [
            ("COPY f /", MainContext()),
            ("COPY --from=0 f /", StageOrigin(0)),
            ("COPY --from=x f /", StageOrigin(0)),
            ("COPY --from=X f /", StageOrigin(0)),
            ("COPY --from=scratch f /", Scratch()),
        ],
    )
    def test_where_copy_takes_files_from(self, text, origin):
        (step,) = target(f"FROM a AS x\nFROM b\n{text}").steps
        assert isinstance(step, CopyStep)
        (source,) = step.sources
        assert isinstance(source, PathSource) and source.origin == origin

    def test_copy_from_an_image(self):
        (step,) = target("FROM a\nCOPY --from=tool:1 f /").steps
        origin = step.sources[0].origin
        assert isinstance(origin, ImageOrigin)
        assert origin.reference == "docker.io/library/tool:1"

    def test_a_named_context_comes_before_images_and_stages(self):
        contexts = {"tool": "./dir", "x": "docker-image://other"}
        found = target("FROM a AS x\nFROM x\nCOPY --from=tool f /", named_contexts=contexts)
        assert found.steps[0].sources[0].origin == NamedContext("tool", "./dir", AMD64)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("FROM a AS x\nCOPY --from=x f /", "circular dependency detected on stage: x"),
            ("FROM a\nCOPY --from=5 f /", "invalid stage index 5"),
            ("FROM a\nCOPY --from=$x f /", "variable expansion is not supported for --from"),
            ("ARG X\nFROM $X", "base name ($X) should not be blank"),
            ("FROM --platform=foo/bar/baz/qux a", "failed to parse platform"),
            ("FROM UPPER", "must be lowercase"),
            ("FROM a\nRUN --mount=type=tmpfs x", 'invalid mount target "/"'),
            ("FROM a\nRUN []", "arguments are required"),
            ("FROM a\nEXPOSE a", "invalid containerPort: a"),
            ("FROM a\nSTOPSIGNAL foo", "invalid signal: foo"),
            ('FROM a\nVOLUME [""]', "VOLUME specified can not be an empty string"),
            ("FROM a\nCOPY http://x/y /", "source can't be a URL for COPY"),
            ("FROM a\nCOPY git@x:y.git /", "source can't be a git ref for COPY"),
            ("FROM a\nADD --checksum=sha256:1 f /", "checksum requires HTTP(S) or Git sources"),
            ("FROM a\nADD --checksum=x http://x/y /", "invalid checksum digest format"),
            ("ARG A", "dockerfile contains no stages to build"),
        ],
    )
    def test_errors(self, text, message):
        with pytest.raises(DockerfileError) as caught:
            resolution(text)
        assert message in caught.value.message


class TestArguments:
    def test_global_arguments_reach_from_but_not_stages(self):
        text = "ARG V=1\nFROM a:$V\nRUN x"
        (stage,) = resolution(text).stages
        assert stage.base.reference.endswith("a:1")
        assert "V" not in env_of(stage.steps[0])

    def test_a_bare_declaration_takes_the_global_value(self):
        (run,) = runs("ARG V=1\nFROM a\nARG V\nRUN x")
        assert env_of(run)["V"] == "1"

    def test_the_command_line_beats_defaults(self):
        (run,) = runs("ARG V=1\nFROM a\nARG V=2\nRUN x", build_args={"V": "3"})
        assert env_of(run)["V"] == "3"

    def test_the_last_writer_wins(self):
        one, two = runs("FROM a\nENV A=1\nARG A=3\nRUN x\nENV A=4\nRUN y")
        assert (env_of(one)["A"], env_of(two)["A"]) == ("3", "4")

    def test_arguments_are_not_in_the_image(self):
        assert target("FROM a\nARG V=1\nRUN x").image["config"]["Env"] == ["PATH=/bin"]

    def test_a_stage_inherits_the_arguments_of_its_base_stage(self):
        (run,) = runs("FROM a AS x\nARG V=1\nFROM x\nRUN y")
        assert env_of(run)["V"] == "1"

    def test_words_of_one_env_see_the_values_before_the_line(self):
        found = target("FROM a\nENV A=1\nENV B=$A A=2 C=$A")
        assert found.image["config"]["Env"][1:] == ["A=2", "B=1", "C=1"]

    def test_platform_arguments_have_to_be_declared(self):
        one, two = runs("FROM a\nRUN x\nARG TARGETARCH\nRUN y")
        assert "TARGETARCH" not in env_of(one)
        assert env_of(two)["TARGETARCH"] == "amd64"

    def test_proxies_are_given_to_run_and_kept_out_of_everything_else(self):
        found = target("FROM a\nRUN x", build_args={"http_proxy": "http://p"})
        (run,) = found.steps
        assert "http_proxy=http://p" in run.proxy_env
        assert "http_proxy" not in env_of(run)
        assert "http://p" not in str(found.image)


class TestBases:
    def test_triggers_come_first(self):
        steps = target("FROM a\nRUN own", BASE).steps
        assert [(step.args[-1], step.from_onbuild) for step in steps] == [
            ("from-trigger", True),
            ("own", False),
        ]

    def test_user_directory_and_history_are_inherited(self):
        found = target("FROM a\nWORKDIR sub\nRUN x", BASE)
        trigger, workdir, run = found.steps
        assert isinstance(workdir, WorkdirStep)
        assert (workdir.path, workdir.user) == ("/base/sub", "app")
        assert (run.cwd, run.user) == ("/base/sub", "app")
        assert found.image["history"][0] == {"created_by": "base"}
        assert len(found.image["history"]) == 4

    def test_entrypoint_resets_an_inherited_cmd_only(self):
        assert "Cmd" not in target('FROM a\nENTRYPOINT ["e"]', BASE).image["config"]
        config = target('FROM a\nCMD ["c"]\nENTRYPOINT ["e"]', BASE).image["config"]
        assert config["Cmd"] == ["c"]

    def test_scratch_has_a_path_and_a_directory(self):
        config = target("FROM scratch\nCMD x").image["config"]
        assert config["Env"] == [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ]
        assert config["WorkingDir"] == "/"

    def test_labels_of_the_command_line_are_the_targets_only(self):
        found = resolution("FROM a AS x\nCMD y\nFROM x", BASE, labels={"l": "1"})
        first, second = found.stages
        assert first.image["config"]["Labels"] == {"base": "1"}
        assert second.image["config"]["Labels"] == {"base": "1", "l": "1"}

    def test_a_base_config_of_wrong_types_is_no_crash(self):
        hostile = {
            "architecture": 5,
            "os": None,
            "config": {"Env": "no list", "Cmd": [1, 2], "User": [], "Labels": 7, "OnBuild": {}},
            "history": "x",
            "rootfs": [],
        }
        found = target("FROM a\nENV A=1\nUSER u\nLABEL l=1\nRUN x", hostile)
        assert found.image["config"]["Labels"] == {"l": "1"}

    def test_the_epoch_dates_the_history(self):
        found = resolution("FROM a\nCMD x", build_args={"SOURCE_DATE_EPOCH": "1700000000"})
        assert found.epoch == 1700000000
        assert found.target_stage.image["history"][-1]["created"] == "2023-11-14T22:13:20Z"
