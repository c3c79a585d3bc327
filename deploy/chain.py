"""The chain from data sets to a bundle: teachers, students, graphs, figures.

Each step is a process of ``training``, ``quantize``, ``deploy`` or ``benchmarks``, and
hands over files. Sizes differ in the face network alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.steps import Step

SIZES = {
    "s": ("--set", "net.widths=[16,32,64,144]", "--set", "epochs=40"),
    "n": ("--set", "net.widths=[12,24,48,96]", "--set", "epochs=40"),
}
"""Size of a bundle → settings of its face student."""
TEACHER = (
    *("--set", "net.widths=[32,64,128,192]", "--set", "net.blocks=[2,2,3]"),
    *("--set", "epochs=40", "--set", "learning_rate=1.5e-3"),
    *("--set", "augment.degrade_share=0.1", "--set", "augment.noise=3"),
)
"""Settings of the face network that teaches."""
SIGNALS = ("--set", "net.signals=64")
TAUGHT_SETS = ("ferplus", "diffusionfer", "photos")
"""Pictures that the teacher labels for the student."""
GRAPHS = ("locator", "face", "voice", "affect")
INT8 = "cpu-int8"
EXPORTED = ("float", "int8", "trt-int8", "trt-fp16")
"""What of each graph goes into the bundle."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made."""

    data: Path
    """Root of the public sets and of the teachers' models."""
    work: Path
    """Folder of everything that is made on the way."""
    size: str
    """One of ``SIZES``."""
    version: str
    """MAJOR.MINOR.PATCH of the bundle."""
    card: Path
    """Card whose temperatures are replaced by those that are measured."""

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return f"edge-affect-{self.size}"

    @property
    def bundle(self) -> Path:
        """Where the bundle is made."""
        return self.work / self.name

    def best(self, run: str) -> str:
        """Return the best checkpoint of a run."""
        return str(self.work / run / "best.safetensors")


def chain(order: Order) -> list[Step]:
    """Return all steps, in an order in which each can run."""
    return [*_networks(order), *_graphs(order), *_bundle(order)]


def _networks(order: Order) -> list[Step]:
    data = ("--data", str(order.data))
    cache = ("--cache", str(order.work / "cache"))
    where = (*data, *cache)
    soft = str(order.work / "soft")
    sets = tuple(word for name in TAUGHT_SETS for word in ("--set", name))
    embed = ("--face", order.best("face"), "--voice", order.best("voice"))
    return [
        _train(order, "locator", (), where),
        Step(
            "teacher",
            (*_words("training train face"), *where, *TEACHER, *_out(order, "teacher")),
        ),
        Step(
            "label",
            (
                *_words("training label face --checkpoint"),
                *(order.best("teacher"), *where, *sets, "--out", soft),
            ),
            after=("teacher",),
        ),
        Step(
            "face",
            (
                *_words("training distill face --targets"),
                *(soft, *where, *SIGNALS, "--set", 'unlabelled=["photos"]'),
                *(*SIZES[order.size], *_out(order, "face")),
            ),
            after=("label",),
        ),
        _train(order, "voice", (), where),
        _train(order, "affect", embed, where, after=("face", "voice")),
        _evaluate(order, "face", (), where),
        _evaluate(order, "affect", embed, where),
    ]


def _graphs(order: Order) -> list[Step]:
    embed = ("--face", order.best("face"), "--voice", order.best("voice"))
    out = ("--out", str(order.work / "graphs"))
    steps = []
    for graph in GRAPHS:
        named = (graph, "--checkpoint", order.best(graph))
        kept = str(order.work / "quantized" / graph)
        material = ("--data", str(order.data), *(embed if graph == "affect" else ()))
        steps += [
            Step(
                f"ptq-{graph}",
                ("quantize", "ptq", *named, *material, "--out", kept),
                after=(graph,),
            ),
            Step(
                f"float-{graph}", ("quantize", "export", *named, *out), after=(graph,)
            ),
            Step(
                f"int8-{graph}",
                (
                    *("quantize", "export", *named, "--quantized", kept),
                    *("--target", INT8, *out),
                ),
                after=(f"ptq-{graph}",),
            ),
            Step(
                f"trt-int8-{graph}",
                (
                    *("quantize", "export", *named, "--quantized", kept),
                    *("--target", "trt-int8", *out),
                ),
                after=(f"ptq-{graph}",),
            ),
            Step(
                f"trt-fp16-{graph}",
                ("quantize", "export", *named, "--target", "trt-fp16", *out),
                after=(graph,),
            ),
        ]
    return steps


def _bundle(order: Order) -> list[Step]:
    results = order.work / "results"
    measured = tuple(f"{kind}-{graph}" for graph in GRAPHS for kind in EXPORTED)
    answers = [
        f"{g}={order.work / 'figures' / f'{g}.json'}" for g in ("face", "affect")
    ]
    card = order.work / "card.json"
    packed = (
        *("deploy", "pack", "--graphs", str(order.work / "graphs")),
        *("--card", str(card), "--out", str(order.bundle)),
        *("--name", order.name, "--version", order.version),
    )
    data = ("--data", str(order.data))
    accuracy, costs = str(results / "accuracy.json"), str(results / "int8.json")
    both = [f"{order.bundle}:{target}" for target in (INT8, "cpu-fp32")]
    return [
        Step(
            "card",
            ("deploy", "card", str(order.card), *answers, "--out", str(card)),
            after=("evaluate-face", "evaluate-affect"),
        ),
        Step("pack", packed, after=("card", *measured)),
        Step(
            "accuracy",
            (
                *("benchmarks", "accuracy", *data),
                *("--bundle", str(order.bundle), "--json", accuracy),
            ),
            after=("pack",),
        ),
        Step(
            "costs",
            ("benchmarks", "compare", *both, *data, "--json", costs),
            after=("pack",),
        ),
        Step("figures", (*packed, "--figures", accuracy), after=("accuracy", "costs")),
    ]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _out(order: Order, run: str) -> tuple[str, str]:
    return "--out", str(order.work / run)


def _train(
    order: Order,
    recipe: str,
    more: tuple[str, ...],
    where: tuple[str, ...],
    after: tuple[str, ...] = (),
) -> Step:
    words = ("training", "train", recipe, *more, *where, *_out(order, recipe))
    return Step(recipe, words, after=after)


def _answer(order: Order, recipe: str) -> Path:
    return order.work / "figures" / f"{recipe}.json"


def _evaluate(
    order: Order, recipe: str, more: tuple[str, ...], where: tuple[str, ...]
) -> Step:
    return Step(
        f"evaluate-{recipe}",
        (
            *("training", "evaluate", recipe, "--checkpoint", order.best(recipe)),
            *more,
            *where,
        ),
        answer=_answer(order, recipe),
        after=(recipe,),
    )
