"""A build from beginning to end."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

from builder.context.known_files import KnownFiles
from builder.context.tree import Tree
from builder.dockerfile import Request, resolve
from builder.dockerfile.lint import new_linter
from builder.execute.cancel import Cancellation
from builder.execute.credentials import Credentials
from builder.execute.download import Downloads
from builder.execute.sandbox import HOSTNAME
from builder.graph import Vertex, build_graph
from builder.image import Image
from builder.snapshot.mounting import isolate
from builder.solve import containers
from builder.solve.epoch import find_epoch
from builder.solve.files import Files
from builder.solve.image import finish_image
from builder.solve.images import Images
from builder.solve.recompress import in_compression
from builder.solve.request import BuildRequest, BuildResult
from builder.solve.session import Session
from builder.solve.solver import Solver
from builder.solve.sources import (
    read_dockerfile,
    read_ignore_rules,
    syntax_note,
    unused_args_note,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.checks import Problem
    from builder.dockerfile import Dockerfile, Finding, Resolution
    from builder.layer import Layer
    from builder.progress import Display
    from builder.snapshot import Snapshots
    from builder.store import Store


def build(
    store: Store,
    request: BuildRequest,
    display: Display,
    cancellation: Cancellation | None = None,
) -> BuildResult:
    """Build an image into the store and give it its names.

    Layers are mounted in the mount namespace of the calling thread: see
    `builder.rootless.enter_namespaces`.

    Args:
        store: where base images, cache and result are.
        request: what to build.
        display: is told what goes on.
        cancellation: stops the build when thrown.

    Raises:
        DockerfileError: with the place in the Dockerfile.
        FailedStepError: a RUN failed.
        BuilderError: anything else; Cancelled when it was stopped.
    """
    with ExitStack() as stack:
        containers.sweep(store.root)
        if cancellation is None:
            cancellation = Cancellation()
            stack.callback(cancellation.close)
        workspace = stack.enter_context(store.workspace())
        isolate()
        open_snapshots = _once(lambda: _snapshots(store, display))
        tree = Tree(request.context, "the build context", is_context=True)
        files = stack.enter_context(Files(tree, open_snapshots))
        known_files = KnownFiles(f"{store.root}/known-files.sqlite")
        stack.callback(known_files.close)

        dockerfile = read_dockerfile(tree, request.dockerfile, request.dockerfile_text)
        tree.rules = read_ignore_rules(tree, request.dockerfile)
        for note in (syntax_note(dockerfile), unused_args_note(dockerfile, request.build_args)):
            if note:
                display.note(note)
        os.mkdir(f"{workspace.path}/downloads", 0o700)
        downloads = Downloads(f"{workspace.path}/downloads", cancellation)
        epoch = find_epoch(dockerfile, request, files, downloads)
        registries = request.registries
        if registries is not None:
            registries = registries.replace(cancellation=cancellation, warn=display.note)
        images = Images(store, display, registries, pull=request.pull)
        resolution, findings = _resolve(dockerfile, request, images, tree, epoch)

        epoch = resolution.epoch
        session = Session(
            store=store,
            open_snapshots=open_snapshots,
            workspace=workspace.path,
            files=files,
            known_files=known_files,
            display=display,
            cancellation=cancellation,
            dockerfile=dockerfile,
            epoch=epoch,
            clock=int(time.time()) if epoch is None else epoch,
            compression=request.compression,
            no_cache=request.no_cache,
            credentials=Credentials(request.secrets, request.agents),
            allow=request.allow,
            hostname=request.build_args.get("BUILDKIT_SANDBOX_HOSTNAME") or HOSTNAME,
            cache_namespace=request.build_args.get("BUILDKIT_CACHE_MOUNT_NS", ""),
            run_slots=threading.Semaphore(request.parallel or os.cpu_count() or 1),
        )
        stack.callback(session.close)
        name = os.path.abspath(request.dockerfile) if request.dockerfile else tree.path
        graph = build_graph(resolution, name)
        stage_names = {stage.index: stage.display_name for stage in resolution.stages}
        solver = Solver(graph, stage_names, images, session, downloads)
        solver.solve()

        end = graph.ends[resolution.target]
        node = end
        while isinstance(node, Vertex):
            node = node.parent
        base, result = solver.result(node), solver.result(end)
        layers = _layers(store, base.layers, result.layers, request)
        descriptor = finish_image(store.layout, resolution, graph, solver.outcomes, base, layers)
        image = Image.load(store.layout, descriptor, resolution.target_stage.platform)
        outcomes = solver.outcomes.values()
        if request.secrets:
            from builder.checks import refuse_secrets

            refuse_secrets(image, image.stack[len(base.layers) :], request.secrets)
        problems: tuple[Problem, ...] = ()
        if request.check and any(not outcome.from_cache for outcome in outcomes):
            from builder.checks import KnownLayers, check_image

            problems = tuple(check_image(image, len(base.layers), KnownLayers(store)))
        names = tuple(store.tag(name, descriptor) for name in request.names)
        cached = sum(1 for outcome in outcomes if outcome.from_cache)
        return BuildResult(
            descriptor=descriptor,
            names=names,
            config_digest=image.config_descriptor.digest,
            size=descriptor.size
            + image.config_descriptor.size
            + sum(layer.size for layer in image.layers),
            layers=len(image.layers),
            cached=cached,
            executed=len(outcomes) - cached,
            findings=findings,
            problems=problems,
        )


def _snapshots(store: Store, display: Display) -> Snapshots:
    from builder.snapshot import Snapshots

    return Snapshots(store, display.note)


def _once(make: Callable[[], Snapshots]) -> Callable[[], Snapshots]:
    """A function that makes something when it is first called: finding out takes time."""
    lock = threading.Lock()
    made: list[Snapshots] = []

    def get() -> Snapshots:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _resolve(
    dockerfile: Dockerfile,
    request: BuildRequest,
    images: Images,
    context: Tree,
    epoch: int | None,
) -> tuple[Resolution, tuple[Finding, ...]]:
    """What the Dockerfile means with this request, and what the linter says."""
    wanted = Request(
        target=request.target,
        build_args=request.build_args,
        target_platform=request.platform,
        named_contexts=request.contexts,
        labels=request.labels,
        ignore=context.rules,
        epoch=epoch,
    )
    linter = new_linter(dockerfile, wanted)
    resolution = resolve(dockerfile, images.config, wanted, linter)
    findings = sorted(linter.findings, key=lambda finding: finding.range.start)
    return resolution, tuple(findings)


def _layers(
    store: Store, base: tuple[Layer, ...], layers: tuple[Layer, ...], request: BuildRequest
) -> list[Layer]:
    """The image's layers; those that are not the base's in the compression asked for."""
    own = layers[len(base) :]
    return [*base, *(in_compression(store, layer, request.compression) for layer in own)]
