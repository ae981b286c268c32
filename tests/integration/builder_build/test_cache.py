"""What is executed again, and what the build says about it."""

from __future__ import annotations

import os
import shutil
import sqlite3

TWO_STAGES = (
    "FROM busybox AS build\nARG V=1\nCOPY src /src\nRUN cat /src/* > /all\n"
    "FROM busybox AS other\nRUN echo other > /o\n"
    "FROM busybox\nCOPY --from=build /all /all\nCOPY --from=other /o /o\nRUN cat /all /o > /end\n"
)


def sources(bench):
    bench.write("src/a", "1")
    bench.write("src/b", "2")
    bench.write("README", "x")


def executed(built):
    return {title: why for title, why in built.steps.items() if why != "CACHED"}


def test_an_unchanged_build_runs_nothing_and_gives_the_same_image(bench):
    sources(bench)
    first = bench.build(TWO_STAGES)
    assert set(first.steps.values()) == {"first build"}
    second = bench.build(None)
    assert executed(second) == {}
    assert second.digest == first.digest


def test_touching_a_file_runs_nothing(bench):
    sources(bench)
    bench.build(TWO_STAGES)
    os.utime(bench.context / "src/a", (1, 1))
    assert executed(bench.build(None)) == {}


def test_a_file_that_nothing_reads_runs_nothing(bench):
    sources(bench)
    bench.build(TWO_STAGES)
    bench.write("README", "changed")
    assert executed(bench.build(None)) == {}


def test_changing_a_file_executes_what_read_it_and_names_it(bench):
    sources(bench)
    bench.build(TWO_STAGES)
    bench.write("src/b", "3")
    bench.write("src/c", "4")
    assert executed(bench.build(None)) == {
        "COPY src /src": "1 file changed: src/b; 1 file added: src/c",
        "RUN cat /src/* > /all": "an earlier step changed",
        "COPY --from=build /all /all": "1 file changed: all",
        "COPY --from=other /o /o": "an earlier step changed",
        "RUN cat /all /o > /end": "an earlier step changed",
    }


def test_a_stage_that_comes_to_the_same_files_does_not_matter(bench):
    """A step's inputs count by what is in them: what runs again needs not make others run."""
    sources(bench)
    bench.build(TWO_STAGES)
    bench.write("src/a", "12")
    bench.write("src/b", "")
    built = bench.build(None)
    assert set(executed(built)) == {"COPY src /src", "RUN cat /src/* > /all"}


def test_going_back_is_cached(bench):
    sources(bench)
    first = bench.build(TWO_STAGES)
    bench.write("src/b", "3")
    bench.build(None)
    bench.write("src/b", "2")
    again = bench.build(None)
    assert executed(again) == {}
    assert again.digest == first.digest


def test_build_arguments_count_for_steps_after_their_declaration(bench):
    sources(bench)
    bench.build(TWO_STAGES)
    built = bench.build(None, "--build-arg", "V=2")
    assert executed(built) == {"RUN cat /src/* > /all": "the build argument V changed"}


def test_an_instruction_that_changed_says_so(bench):
    bench.build("FROM busybox\nENV A=1\nUSER app\nRUN true")
    assert executed(bench.build("FROM busybox\nENV A=1\nUSER app\nRUN :")) == {
        "RUN :": "the command changed"
    }
    assert executed(bench.build("FROM busybox\nENV A=2\nUSER app\nRUN :")) == {
        "RUN :": "the environment variable A changed"
    }
    assert executed(bench.build("FROM busybox\nENV A=2\nUSER root\nRUN :")) == {
        "RUN :": "the user changed: app → root"
    }


def test_another_base_says_so(bench):
    base = bench.write("base.Dockerfile", "FROM busybox\nRUN echo 1 > /1")
    options = ("-f", str(base), "-t", "base")
    bench.build(None, *options)
    bench.build("FROM base\nRUN true")
    bench.write("base.Dockerfile", "FROM busybox\nRUN echo 2 > /1")
    bench.build(None, *options)
    built = bench.build("FROM base\nRUN true")
    assert executed(built) == {"RUN true": "the base image changed"}


def test_metadata_does_not_execute_anything(bench):
    bench.build("FROM busybox\nRUN true\nCMD a")
    built = bench.build("FROM busybox\nRUN true\nCMD b\nLABEL x=y")
    assert executed(built) == {}
    assert built.config["Cmd"] == ["/bin/sh", "-c", "b"]


def test_no_cache_executes_everything(bench):
    sources(bench)
    bench.build(TWO_STAGES)
    built = bench.build(None, "--no-cache")
    assert set(built.steps.values()) == {"--no-cache"}
    assert executed(bench.build(None)) == {}


def test_unneeded_stages_are_not_built(bench):
    built = bench.build("FROM busybox AS bad\nRUN false\nFROM busybox\nRUN true")
    assert list(built.steps) == ["RUN true"]
    assert bench.build(None, "--target", "bad", check=False).status == 1


def test_stages_that_begin_alike_execute_their_beginning_once(bench):
    built = bench.build(
        "FROM busybox AS one\nRUN echo same\nRUN echo 1 > /1\n"
        "FROM busybox AS two\nRUN echo same\nRUN echo 2 > /2\n"
        "FROM scratch\nCOPY --from=one /1 /\nCOPY --from=two /2 /\n"
    )
    assert built.log.count("RUN echo same  (first build)") == 1
    assert sorted(built.files()) == ["1", "2"]


def test_independent_stages_run_at_the_same_time(bench):
    """Each stage waits for the other: one after the other, neither would end."""
    wait = "i=0; until test -e /c/{}; do i=$((i+1)); test $i -lt 300 || exit 1; sleep 0.1; done"
    mount = "--mount=type=cache,target=/c"
    bench.build(
        f"FROM busybox AS one\nRUN {mount} touch /c/one; {wait.format('two')}; echo > /1\n"
        f"FROM busybox AS two\nRUN {mount} touch /c/two; {wait.format('one')}; echo > /2\n"
        "FROM scratch\nCOPY --from=one /1 /\nCOPY --from=two /2 /\n"
    )


def test_parallel_1_runs_one_step_at_a_time(bench):
    text = (
        "FROM busybox AS one\nRUN --mount=type=cache,target=/c {0}\n"
        "FROM busybox AS two\nRUN --mount=type=cache,target=/c {0} && true\n"
        "FROM scratch\nCOPY --from=one /tmp /\nCOPY --from=two /tmp /\n"
    ).format("mkdir /c/lock && sleep 0.3 && rmdir /c/lock")
    bench.build(text, "--parallel", "1")


def test_a_result_whose_layer_is_gone_is_made_again(bench):
    first = bench.build("FROM busybox\nRUN echo x > /x")
    for layer in first.image.layers[1:]:
        os.unlink(first.image.layout.blob_path(layer.digest))
    again = bench.build(None)
    assert executed(again) == {"RUN echo x > /x": "its result is no longer in the store"}
    assert again.files() == {"x": b"x\n"}


def test_a_damaged_cache_is_begun_anew(bench):
    bench.build("FROM busybox\nRUN echo x > /x")
    for name in os.listdir(bench.store):
        if name.startswith(("cache.sqlite-", "known-files")):
            os.unlink(bench.store / name)
    (bench.store / "cache.sqlite").write_bytes(b"rubbish" * 1000)
    built = bench.build(None)
    assert "is damaged" in built.log
    assert executed(built) == {"RUN echo x > /x": "first build"}
    assert executed(bench.build(None)) == {}


def test_unpacked_layers_can_be_lost(bench):
    bench.build("FROM busybox\nRUN echo x > /x")
    shutil.rmtree(bench.store / "unpacked")
    built = bench.build("FROM busybox\nRUN echo x > /x\nRUN cat /x > /y")
    assert executed(built) == {"RUN cat /x > /y": "first build"}
    assert built.files()["y"] == b"x\n"


def test_the_compression_of_cached_layers_changes_without_executing(bench):
    first = bench.build("FROM busybox\nRUN echo x > /x")
    second = bench.build(None, "--compression", "zstd")
    assert executed(second) == {}
    assert second.image.layers[1].media_type.endswith("tar+zstd")
    assert second.image.layers[0] == first.image.layers[0]
    assert second.image.diff_ids == first.image.diff_ids
    third = bench.build(None, "--compression", "none")
    assert third.image.layers[1].media_type.endswith("layer.v1.tar")
    assert third.image.layers[1].digest == third.image.diff_ids[1]


def test_secrets_and_proxies_do_not_execute_anything_again(bench, tmp_path):
    text = "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null"
    secret = tmp_path / "secret"
    secret.write_text("one")
    bench.build(text, "--secret", f"id=s,src={secret}", "--build-arg", "HTTP_PROXY=http://a")
    secret.write_text("two")
    options = ("--secret", f"id=s,src={secret}", "--build-arg", "HTTP_PROXY=http://b")
    assert executed(bench.build(None, *options)) == {}


def test_the_cache_holds_no_proxy(bench):
    bench.build("FROM busybox\nRUN true", "--build-arg", "HTTP_PROXY=http://user:hunter2@proxy")
    with sqlite3.connect(bench.store / "cache.sqlite") as database:
        assert "hunter2" not in "\n".join(database.iterdump())


def test_prune_keeps_what_names_and_the_cache_lead_to(bench):
    bench.build("FROM busybox\nRUN echo 1 > /1", "-t", "one")
    bench.run("prune")
    assert executed(bench.build(None)) == {}
    bench.run("prune", "--all")
    built = bench.build(None, "-t", "one")
    assert executed(built) == {"RUN echo 1 > /1": "first build"}
    assert not os.path.exists(bench.store / "cache-mounts")
