from __future__ import annotations

from pathlib import Path

import pytest

from edge_affect.runners.processor import cpu_model, why_unfit

AMD = "vendor_id : AuthenticAMD\ncpu family : 25\nmodel name : AMD EPYC\n"
ARM = "CPU implementer : 0x41\nCPU part : "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"processor : 0\n{AMD}cpu MHz : 8\n\nprocessor : 1\n{AMD}cpu MHz : 9\n",
            ", vendor_id AuthenticAMD, cpu family 25, model name AMD EPYC",
        ),
        (
            f"processor : 0\n{ARM}0xd42\n\nprocessor : 1\n{ARM}0xd05\n",
            ", CPU implementer 0x41, CPU part 0xd42, CPU part 0xd05",
        ),
        ("", ""),
    ],
)
def test_cpu_model_names_each_kind_of_core_once(
    tmp_path: Path, text: str, expected: str
) -> None:
    """What changes from one moment or core to the next is not of the model."""
    bare = cpu_model(tmp_path)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    assert cpu_model(tmp_path) == bare + expected


def _cpuinfo(root: Path, *lines: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text("\n".join(lines), encoding="utf-8")
    return root


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni"])
def test_int8_is_fit_where_there_are_dot_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    """Either instruction set adds products of bytes in 32 bits."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    root = _cpuinfo(tmp_path, f"flags\t\t: fpu avx2 {flag}")
    assert why_unfit("cpu-int8", root) is None


def test_int8_is_unfit_where_sums_may_saturate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One core without the instructions is enough; float runs anywhere."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    root = _cpuinfo(tmp_path, "flags : fpu avx2 avx_vnni", "flags : fpu avx2")
    assert "saturate" in (why_unfit("cpu-int8", root) or "")
    assert why_unfit("cpu-fp32", root) is None
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert why_unfit("cpu-int8", root) is None
