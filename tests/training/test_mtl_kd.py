"""The parts of ``mtl_kd`` by hand: losses, reversal, waiting, windows, settings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge_affect.errors import ConfigError, DataError
from tests.training import mtl_kd_worker as worker
from tests.training.clips import make_clips
from training.clips.tape import Tape
from training.data.aff_wild2.layout import UNI_TASK_SETS
from training.engine.config import from_plain, to_plain
from training.models.batch_norm import WholeBatchNorm1d
from training.models.mtl_kd import (
    SET,
    MtlNet,
    MtlShape,
    ReluLstm,
    reverse_gradient,
)
from training.recipes.mtl_kd.config import (
    MTL,
    PRESETS,
    MtlKdConfig,
    TeacherConfig,
    teacher_config,
)
from training.recipes.mtl_kd.losses import (
    Terms,
    Waiting,
    hard_loss,
    loss_terms,
    reversal_ramp,
    soft_loss,
    student_loss,
)
from training.recipes.mtl_kd.sets import (
    only_home_labels,
    refuse_unlabelled,
    set_rows,
)
from training.recipes.mtl_kd.trainer import StudentTrainer
from training.recipes.mtl_kd.window import has_all_faces, hear, see

pytestmark = pytest.mark.torch
SHAPE = MtlShape(lstm=4, trunk=(6,), head=(3,), discriminator=(3,), dropout=0.0)


def test_reverse_gradient_turns_what_flows_back() -> None:
    """Forward it is the identity; backward the gradient times minus the factor."""
    given = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reverse_gradient(given, 0.3)
    assert out.tolist() == given.tolist()
    torch.autograd.backward(out, torch.tensor([1.0, 10.0]))
    assert given.grad is not None
    assert given.grad.tolist() == pytest.approx([-0.3, -3.0])


def test_discriminator_teaches_itself_to_tell_and_the_trunk_to_hide() -> None:
    """Its own gradient is that of its loss; the trunk's is turned, times adaptation."""
    gradients = []
    for adaptation in (-1.0, 0.5):
        torch.manual_seed(0)
        shape = replace(SHAPE, adaptation=adaptation)
        net = MtlNet(shape, 5, 3, "both", tells_set=True)
        random = torch.Generator().manual_seed(1)
        faces = torch.randn(8, 6, 5, generator=random)
        told = net(faces, torch.randn(8, 3, generator=random), (SET,))[SET]
        loss = torch.nn.functional.cross_entropy(told, torch.arange(8) % 3)
        named = dict(net.named_parameters())
        layers = [named[n] for n in ("trunk.0.weight", "heads.SET.0.weight")]
        gradients.append(torch.autograd.grad(loss, layers))
    plain, turned = gradients
    assert torch.allclose(turned[0], -0.5 * plain[0], atol=1e-7)
    assert torch.equal(turned[1], plain[1])


def test_relu_lstm_steps_by_its_definition() -> None:
    """Gates in the order enter, keep, leave, new; ReLU at both places of tanh."""
    lstm = ReluLstm(1, 1)
    with torch.no_grad():
        lstm.read.weight[:, 0] = torch.tensor([0.5, 1.0, -1.0, 2.0])
        lstm.read.bias.zero_()
        lstm.recall.weight[:, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0])

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    cell = sigmoid(0.5) * 2.0
    out = sigmoid(-1.0) * cell
    cell = sigmoid(1.0) * max(0.0, 4.0 + out) + sigmoid(2.0) * cell
    out = sigmoid(-2.0 + out) * cell
    given = torch.tensor([[[1.0], [2.0]]])
    assert lstm(given).item() == pytest.approx(out, abs=1e-6)


def test_relu_lstm_begins_by_keeping() -> None:
    """The forget gate's bias is 1."""
    assert ReluLstm(2, 3).read.bias[3:6].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("stream", "face", "sound"), [("image", 1, 0), ("audio", 0, 1)]
)
def test_net_of_one_stream_ignores_the_other(
    stream: str, face: int, sound: int
) -> None:
    """Faces alone do not hear, sound alone does not see."""
    torch.manual_seed(0)
    net = MtlNet(SHAPE, 5, 3, stream, tells_set=False).eval()
    faces, sounds = torch.randn(4, 6, 5), torch.randn(4, 3)
    before = net(faces, sounds)["VA"]
    assert torch.equal(before, net(faces, sounds + 1)["VA"]) == (sound == 0)
    assert torch.equal(before, net(faces + 1, sounds)["VA"]) == (face == 0)


def test_net_of_the_paper_has_its_size() -> None:
    """About 4.7 million weights on 512 face and 1000 sound features."""
    net = MtlNet(MtlShape(), 512, 1000, "both", tells_set=True)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(4.7e6, rel=0.02)


def test_net_keeps_statistics_of_heads_that_do_not_learn() -> None:
    """A head that is not wanted has no output, and still sees the batch."""
    torch.manual_seed(0)
    net = MtlNet(SHAPE, 5, 3, "both", tells_set=True)
    told = net(torch.randn(8, 6, 5), torch.randn(8, 3), ("VA",))
    assert set(told) == {"VA"}
    counters = {n: b.item() for n, b in net.named_buffers() if "num_batches" in n}
    assert set(counters.values()) == {1}


def test_whole_batch_norm_alone_is_batch_norm() -> None:
    """One process normalises as torch does."""
    ours, theirs = WholeBatchNorm1d(2), torch.nn.BatchNorm1d(2)
    given = torch.tensor([[1.0, 5.0], [3.0, -5.0]])
    assert torch.equal(ours(given), theirs(given))
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_hard_loss_of_each_task_is_its_own() -> None:
    """CCC for VA, cross-entropy for EXPR, mean binary cross-entropy for AU."""
    truth = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    # Means 0.5 and 1, variances 1/4 and 1, covariance 1/2: CCC = 1 / 1.5.
    given = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    assert hard_loss("VA", given, truth).item() == pytest.approx((1 - 1 / 1.5) / 2)
    logits = torch.tensor([[math.log(3.0), 0.0]])
    assert hard_loss("EXPR", logits, torch.tensor([1])).item() == pytest.approx(
        math.log(4.0)
    )
    units = torch.tensor([[1.0, 0.0]])
    expected = (math.log(4 / 3) + math.log(2.0)) / 2
    told = torch.tensor([[math.log(3.0), 0.0]])
    assert hard_loss("AU", told, units).item() == pytest.approx(expected)


def test_soft_loss_of_expression_is_kl_from_the_teacher_times_t_squared() -> None:
    """At T = 2, logits 2·ln 3 become shares 3/4 and 1/4; the student says 1/2."""
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])
    student = torch.zeros(1, 2, requires_grad=True)
    loss = soft_loss("EXPR", student, teacher, 2.0)
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert loss.item() == pytest.approx(4 * kl)
    torch.autograd.backward(loss)
    assert student.grad is not None
    # T² / T · (softmax(s / T) - softmax(t / T))
    assert student.grad[0].tolist() == pytest.approx([2 * (0.5 - 0.75), 0.5])


def test_soft_loss_of_units_is_binary_kl_whatever_the_temperature() -> None:
    """Teacher 3/4, student 1/2; 0 where both agree."""
    teacher = torch.tensor([[math.log(3.0), -1.0]])
    student = torch.tensor([[0.0, -1.0]])
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    for temperature in (1.0, 2.5):
        loss = soft_loss("AU", student, teacher, temperature)
        assert loss.item() == pytest.approx(kl / 2, abs=1e-6)


def test_soft_loss_of_affect_is_concordance_with_the_teacher() -> None:
    """What the teacher says takes the label's place, and learns nothing."""
    teacher = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    given = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    loss = soft_loss("VA", given, teacher, 2.5)
    assert loss.item() == pytest.approx((1 - 1 / 1.5) / 2)
    assert not loss.requires_grad


def test_loss_terms_of_each_kind() -> None:
    """The label counts α·w; soft labels w for the own task, β·w for the others."""
    weights = {"VA": 1.0, "EXPR": 2.0, "AU": 4.0}
    config = MtlKdConfig(alpha=10.0, beta=0.9, temperature=2.5, kd="none")
    assert loss_terms("EXPR", weights, config) == Terms(20.0, {}, 2.5)
    same = loss_terms("EXPR", weights, replace(config, kd="same_task"))
    assert same == Terms(20.0, {"EXPR": 2.0}, 2.5)
    cross = loss_terms("EXPR", weights, replace(config, kd="cross_task"))
    assert cross.soft == pytest.approx({"VA": 0.9, "EXPR": 2.0, "AU": 3.6})


def test_student_loss_is_the_weighted_sum() -> None:
    """Label, own soft label and the others' add up with their weights."""
    random = torch.Generator().manual_seed(0)

    def drawn() -> dict[str, torch.Tensor]:
        return {
            task: torch.randn(6, width, generator=random)
            for task, width in (("VA", 2), ("EXPR", 8), ("AU", 12))
        }

    given, teacher = drawn(), drawn()
    truth = torch.arange(6)
    soft = {"VA": 0.9, "EXPR": 2.0, "AU": 3.6}
    loss = student_loss("EXPR", given, truth, teacher, Terms(20.0, soft, 2.5))
    expected = 20 * hard_loss("EXPR", given["EXPR"], truth).item() + sum(
        weight * soft_loss(task, given[task], teacher[task], 2.5).item()
        for task, weight in soft.items()
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_reversal_ramp_climbs_to_one() -> None:
    """(epoch + 1) / epochs."""
    assert [reversal_ramp(e, 4) for e in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_waiting_weighs_half_an_exponent_per_epoch() -> None:
    """exp(0.5·n); an equal figure is no better one, a better one starts again."""
    waiting = Waiting()
    weights = []
    for figure in (0.1, 0.1, 0.05, 0.2):
        waiting.tell(figure)
        weights.append(waiting.weight)
    assert weights == pytest.approx([1.0, math.exp(0.5), math.e, 1.0])


def test_each_task_waits_for_its_own_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """VA rises, EXPR falls once, AU falls and stays; what P_MTL does is no matter."""
    epochs = iter(
        [
            {"p_va": 0.1, "p_expr": 0.5, "p_au": 0.3, "p_mtl": 0.9},
            {"p_va": 0.2, "p_expr": 0.6, "p_au": 0.2, "p_mtl": 1.0},
            {"p_va": 0.3, "p_expr": 0.55, "p_au": 0.3, "p_mtl": 1.15},
        ]
    )
    monkeypatch.setattr(
        "training.recipes.mtl_kd.trainer.mtl_figures", lambda *_: next(epochs)
    )
    tapes = worker.tapes()
    soft = worker.soft(tapes[0])
    trainer = StudentTrainer(worker.TINY, *tapes, soft)
    figures = [trainer.evaluate() for _ in range(3)][-1]
    told = {f"dev_{name}": value for name, value in figures.items()}
    resumed = StudentTrainer(worker.TINY, *tapes, soft)
    resumed.resumed(told)
    for task, waited, highest in (("VA", 0, 0.3), ("EXPR", 1, 0.6), ("AU", 2, 0.3)):
        assert figures[f"waited_{task.lower()}"] == waited
        assert figures[f"highest_{task.lower()}"] == highest
        for waits in (trainer, resumed):
            assert waits.waiting[task].weight == pytest.approx(math.exp(0.5 * waited))
            assert waits.waiting[task].best == highest


@pytest.mark.parametrize(("fps", "stride"), [(30.0, 10), (24.0, 8)])
def test_see_takes_six_faces_a_third_of_a_second_apart(fps: float, stride: int) -> None:
    """The last is the frame's own; other frame rates keep the seconds."""
    tape = Tape.join(make_clips(2, 90, fps=(fps,)))
    row = 90 + 60
    seen = see(tape, torch.tensor([row]))
    wanted = [row - (5 - face) * stride for face in range(6)]
    assert torch.equal(seen[0], tape.face[wanted])
    assert has_all_faces(tape, torch.tensor([row, 90 + 5 * stride - 1])).tolist() == [
        True,
        False,
    ]


def test_see_puts_the_nearest_earlier_face_for_a_missing_one() -> None:
    """Only faces of the clip until then; before the first one, the window's oldest."""
    clip = make_clips(1, 90, fps=(30.0,))[0]
    present = np.ones(90, np.bool_)
    present[:12] = False
    present[48:52] = False
    tape = Tape.join([make_clips(1)[0], replace(clip, present=present)])
    first = 40
    seen = see(tape, torch.tensor([first + 60, first + 20, first + 5]))
    assert torch.equal(
        seen[0], tape.face[[first + f for f in (20, 20, 30, 40, 47, 60)]]
    )
    assert torch.equal(seen[1], tape.face[[first + 20]].expand(6, -1))
    assert seen[2].abs().sum() == 0
    assert not has_all_faces(tape, torch.tensor([first + 60])).item()


def test_hear_averages_the_past_of_the_clip() -> None:
    """Every half second, the newest included, nothing from before the clip."""
    tape = Tape.join(make_clips(2, 90, fps=(30.0,)))
    rows = torch.tensor([90 + 80, 90 + 20])
    heard = hear(tape, rows, 2.0)
    expected = tape.sound[[90 + 80, 90 + 65, 90 + 50, 90 + 35]].mean(dim=0)
    assert torch.allclose(heard[0], expected, atol=1e-6)
    both = tape.sound[[90 + 20, 90 + 5]].mean(dim=0)
    assert torch.allclose(heard[1], both, atol=1e-6)
    assert torch.equal(hear(tape, rows, 0.0), tape.sound[rows])


def test_windows_hold_nothing_that_comes_later() -> None:
    """Whatever is changed after a frame changes nothing of what it is given."""
    tape = Tape.join(make_clips(1, 90))
    row = torch.tensor([70])
    before = see(tape, row), hear(tape, row, 10.0)
    tape.face[71:], tape.sound[71:], tape.present[71:] = 9.0, 9.0, False
    assert torch.equal(before[0], see(tape, row))
    assert torch.equal(before[1], hear(tape, row, 10.0))


def test_set_rows_are_the_home_sets_own() -> None:
    """A labelled frame counts for its clip's set, with six faces, after ``skip_s``."""
    sets = (*UNI_TASK_SETS, MTL)
    tape = Tape.join(make_clips(4, 90, fps=(30.0,), sets=sets))
    for number, name in enumerate(sets):
        first = 90 * number
        assert set_rows(tape, name, 0.0).tolist() == list(range(first + 50, first + 90))
        assert set_rows(tape, name, 2.0).tolist() == list(range(first + 60, first + 90))
    tape.expression[90 * 3 + 70] = -1
    assert 90 * 3 + 70 not in set_rows(tape, MTL, 0.0)


def test_only_home_labels_hides_the_others() -> None:
    """Each clip keeps its own set's label; one without a set keeps none."""
    tape = only_home_labels(Tape.join(make_clips(4, sets=(*UNI_TASK_SETS, MTL))))
    for number, task in enumerate(UNI_TASK_SETS):
        rows = range(40 * number, 40 * (number + 1))
        assert tape.labelled(task).tolist() == list(rows)


def test_refuse_unlabelled_names_the_missing_task() -> None:
    """P_MTL needs all three tasks in the part for selection."""
    clips = [
        replace(clip, action_units=np.full((40, 12), np.nan, np.float32))
        for clip in make_clips(3)
    ]
    with pytest.raises(DataError, match="no AU label"):
        refuse_unlabelled(Tape.join(clips))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sets", ()),
        ("sets", ("VA", "VA")),
        ("sets", ("VA", "LSD")),
        ("stream", "video"),
        ("skip_s", -1.0),
        ("kd", "all"),
        ("temperature", 0.0),
    ],
)
def test_config_refuses(key: str, value: object) -> None:
    """One line that begins with the setting's name."""
    with pytest.raises(ConfigError, match=f"^{key}: got"):
        replace(MtlKdConfig(), **{key: value})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_presets_survive_a_checkpoint(preset: str) -> None:
    """Through JSON and back they are the same, the teacher's part too."""
    config = PRESETS[preset]
    assert from_plain(MtlKdConfig, to_plain(config)) == config
    teacher = teacher_config(config)
    assert from_plain(TeacherConfig, to_plain(teacher)) == teacher
    assert teacher.shape == config.shape
