"""The loop: exact resume after a kill, refusals, selection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")  # before anything that imports it

import torch
from safetensors.torch import load_file

from edge_affect.errors import ConfigError, DataError
from training.engine.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from training.engine.loop import Trainer, run, update_average

pytestmark = pytest.mark.torch


@dataclass(frozen=True, slots=True)
class Settings:
    epochs: int = 4
    learning_rate: float = 1e-2
    schedule: str = "one_cycle"
    patience: int | None = None
    weight_decay: float = 0.1
    average: float = 0.9
    seed: int = 3
    widths: tuple[int, ...] = (4,)


class StoppedError(Exception):
    """Stands for a kill in the middle of an epoch."""


class TinyTrainer(Trainer[Settings, torch.nn.Sequential]):
    recipe = "tiny"
    selection = "gain"
    data = "made"

    def __init__(
        self, config: Settings, *, stop_at: int = -1, poison: int = -1
    ) -> None:
        torch.manual_seed(config.seed)
        net = torch.nn.Sequential(
            torch.nn.Linear(3, 4),
            torch.nn.BatchNorm1d(4),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(4, 1),
        )
        super().__init__(config, net, steps=5)
        self.done = 0
        self.stop_at = stop_at
        self.poison = poison

    def losses(self, random: torch.Generator) -> Iterator[torch.Tensor]:
        for _ in range(self.steps):
            if self.done == self.stop_at:
                raise StoppedError
            given = torch.randn(8, 3, generator=random)
            loss = (self.net(given) - given.sum(1, keepdim=True)).square().mean()
            yield loss * float("nan") if self.done == self.poison else loss
            self.done += 1

    def evaluate(self) -> dict[str, float]:
        given = torch.eye(3)
        error = (self.average(given) - 1).square().mean()
        return {"gain": -float(error)}


def _run(trainer: TinyTrainer, out: Path) -> dict[str, torch.Tensor]:
    run(trainer, out)
    return load_file(out / "last.safetensors")


def test_run_after_a_kill_gives_the_same_weights(tmp_path: Path) -> None:
    """Killed in the third epoch and run again equals never killed, to the bit."""
    unbroken = _run(TinyTrainer(Settings()), tmp_path / "one")
    with pytest.raises(StoppedError):
        run(TinyTrainer(Settings(), stop_at=12), tmp_path / "two")
    resumed = _run(TinyTrainer(Settings()), tmp_path / "two")
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        assert torch.equal(value, resumed[name]), name


def test_run_keeps_the_best_epoch(tmp_path: Path) -> None:
    """The best checkpoint has the highest figure and carries no optimiser."""
    best = load_checkpoint(run(TinyTrainer(Settings()), tmp_path), "tiny")
    last = load_checkpoint(tmp_path / "last.safetensors", "tiny")
    assert best.metrics["dev_gain"] == last.metrics["best_gain"]
    assert not best.optimizer
    assert last.epoch == 4


def test_run_refuses_other_settings(tmp_path: Path) -> None:
    """Going on with another rate is refused, and names it."""
    run(TinyTrainer(Settings(epochs=1)), tmp_path)
    changed = replace(Settings(epochs=1), learning_rate=0.5)
    with pytest.raises(DataError, match=r"learning_rate: got 0\.5, it has"):
        run(TinyTrainer(changed), tmp_path)


def test_run_stops_at_a_nan_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """The error says so, and the epoch before is still there."""
    with pytest.raises(DataError, match="the loss became nan at epoch 2"):
        run(TinyTrainer(Settings(), poison=7), tmp_path)
    assert load_checkpoint(tmp_path / "last.safetensors", "tiny").epoch == 1


def test_run_on_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed write is one clear error, and leaves no partial file."""
    run(TinyTrainer(Settings(epochs=1)), tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()

    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"No space left.*free some space"):
        save_checkpoint(
            tmp_path / "last.safetensors", Checkpoint("tiny", {}, 2, {}, {})
        )
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert not list(tmp_path.glob("**/*.partial"))


def test_load_checkpoint_refuses_what_is_none(tmp_path: Path) -> None:
    """Missing, damaged and another recipe's files are one clear line each."""
    path = run(TinyTrainer(Settings(epochs=1)), tmp_path)
    with pytest.raises(DataError, match="got a checkpoint of recipe 'tiny'"):
        load_checkpoint(path, "face")
    path.write_bytes(b"no tensors")
    for damaged in (path, tmp_path / "none"):
        with pytest.raises(DataError, match="not a readable checkpoint"):
            load_checkpoint(damaged, "tiny")


def test_update_average_moves_by_its_decay() -> None:
    """0.9 of the old and 0.1 of the new; counters are copied."""
    held, new = (torch.nn.BatchNorm1d(1) for _ in range(2))
    torch.nn.init.constant_(new.weight, 2.0)
    new.num_batches_tracked = torch.tensor(7)
    update_average(held, new, 0.9)
    assert held.state_dict()["weight"].item() == pytest.approx(1.1)
    assert held.num_batches_tracked == 7


class SpoiltGradient(torch.autograd.Function):
    """Passes its input on; its gradient is NaN."""

    @staticmethod
    def forward(ctx: object, given: torch.Tensor) -> torch.Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: object, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0] * float("nan")


class SpoiltTrainer(TinyTrainer):
    """Has a finite loss with a NaN gradient on the last step of the second epoch."""

    def losses(self, random: torch.Generator) -> Iterator[torch.Tensor]:
        for loss in super().losses(random):
            is_last = self.done == 9
            yield SpoiltGradient.apply(loss) if is_last else loss  # type: ignore[no-untyped-call]


def test_run_stops_at_a_nan_gradient_with_the_weights_intact(tmp_path: Path) -> None:
    """A finite loss hides nothing: both checkpoints are still the first epoch's."""
    with pytest.raises(DataError, match="the gradient became nan at epoch 2"):
        run(SpoiltTrainer(Settings()), tmp_path)
    for name in ("best", "last"):
        kept = load_checkpoint(tmp_path / f"{name}.safetensors", "tiny")
        assert kept.epoch == 1
        assert all(torch.isfinite(v).all() for v in kept.average.values())


class BlindTrainer(TinyTrainer):
    """Its figure is NaN from the second epoch on."""

    def evaluate(self) -> dict[str, float]:
        return {"gain": 1.0 if self.done <= 5 else float("nan")}


def test_run_refuses_a_selection_figure_that_is_no_number(tmp_path: Path) -> None:
    """It is not the best one, and the first epoch's checkpoint stays."""
    with pytest.raises(DataError, match="gain of the selection part is NaN"):
        run(BlindTrainer(Settings()), tmp_path)
    assert load_checkpoint(tmp_path / "best.safetensors", "tiny").epoch == 1


class FlatTrainer(TinyTrainer):
    """Its figure never moves."""

    def evaluate(self) -> dict[str, float]:
        return {"gain": 0.5}


def test_run_does_not_count_a_tie_as_better(tmp_path: Path) -> None:
    """A run whose figure stands still ends when patience is spent."""
    run(FlatTrainer(Settings(epochs=9, patience=2)), tmp_path)
    last = load_checkpoint(tmp_path / "last.safetensors", "tiny")
    assert (last.epoch, last.metrics["best_epoch"]) == (3, 1)


def test_run_goes_on_with_the_same_data_only(tmp_path: Path) -> None:
    """A folder that holds a run on other data is refused and stays as it is."""
    first = TinyTrainer(Settings())
    first.data = "one"
    run(first, tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    other = TinyTrainer(Settings())
    other.data = "two"
    with pytest.raises(DataError, match="other data"):
        run(other, tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before


class FadingTrainer(TinyTrainer):
    """Its figure falls from the second epoch on."""

    def evaluate(self) -> dict[str, float]:
        return {"gain": -float(self.done)}


def test_run_stops_when_patience_is_spent(tmp_path: Path) -> None:
    """Two epochs without a better figure end the run; another call changes nothing."""
    settings = Settings(epochs=9, patience=2)
    for _ in range(2):
        run(FadingTrainer(settings), tmp_path)
        last = load_checkpoint(tmp_path / "last.safetensors", "tiny")
        assert last.epoch == 3
        assert last.metrics["best_epoch"] == 1


def test_rate_follows_its_schedule() -> None:
    """One cycle climbs and falls, a cosine falls, a constant stays."""
    rates = {
        name: [TinyTrainer(Settings(schedule=name)).rate(step) for step in (0, 3, 20)]
        for name in ("one_cycle", "cosine", "constant")
    }
    assert rates["constant"] == [1e-2] * 3
    assert rates["cosine"][0] == 1e-2
    assert rates["cosine"][2] == pytest.approx(0, abs=1e-9)
    assert rates["one_cycle"][0] == pytest.approx(5e-4)
    assert rates["one_cycle"][1] == pytest.approx(1e-2)


def test_trainer_refuses_an_unknown_schedule() -> None:
    """The message names the ones there are."""
    with pytest.raises(ConfigError, match="one_cycle, cosine, constant"):
        TinyTrainer(Settings(schedule="steps"))


def test_run_leaves_curves_for_tensorboard(tmp_path: Path) -> None:
    """One event file that holds the loss and the figure of every epoch."""
    run(TinyTrainer(Settings()), tmp_path)
    (file,) = (tmp_path / "curves").iterdir()
    content = file.read_bytes()
    assert b"loss" in content
    assert b"dev_gain" in content
