"""Two runs on the same photos: the test is exact, and the sentences state what it found."""

from __future__ import annotations

import json
import shutil
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import write_photos
from tests.training.evaluation.runs import write_run
from training.errors import WrongInput

if TYPE_CHECKING:
    from training.evaluation.comparison import RunPair

pytestmark = pytest.mark.torch


@settings(max_examples=100)
@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40))
def test_mcnemar_is_the_exact_mid_p(only_a: int, only_b: int) -> None:
    from training.evaluation.compare import mcnemar_mid_p

    count, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(count, k) for k in range(fewer + 1)) - comb(count, fewer) / 2
    assert mcnemar_mid_p(only_a, only_b) == pytest.approx(1.0 if only_a == only_b else 2 * tail / 2**count)
    assert mcnemar_mid_p(only_a, only_b) == mcnemar_mid_p(only_b, only_a)


def test_mcnemar_is_exact_for_many_photos() -> None:
    from training.evaluation.compare import mcnemar_mid_p

    assert mcnemar_mid_p(30, 61) == pytest.approx(0.001, abs=0.0004)
    assert mcnemar_mid_p(100_000, 100_000) == pytest.approx(1.0)
    assert 0 <= mcnemar_mid_p(10_000, 100_000) < 1e-300


def pair(both: int, only_a: int, only_b: int, neither: int, **names: str) -> RunPair:
    from training.evaluation.compare import pair_of

    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    labels = ["left"] * (len(a) // 2) + ["right"] * (len(a) - len(a) // 2)
    return pair_of(names.get("a", "A"), names.get("b", "B"), a, b, labels)


def test_a_clear_difference_is_a_sentence() -> None:
    from training.evaluation.compare import corrected

    (found,) = corrected([pair(1288, 30, 61, 87)])
    assert found.better == "B"
    assert found.sentence == ("B is better: 92.0% against 89.9%, 61 photos only B got right, 30 only A; p = 0.001")
    assert found.difference.value == pytest.approx(31 / 1466)
    assert 0 < found.difference.low < found.difference.value < found.difference.high
    (other,) = corrected([pair(1288, 61, 30, 87)])
    assert other.sentence.startswith("A is better: 92.0% against 89.9%")
    assert other.difference.value == pytest.approx(-31 / 1466)


def test_no_difference_is_a_sentence() -> None:
    from training.evaluation.compare import corrected

    (found,) = corrected([pair(50, 4, 6, 3)])
    assert found.better is None
    assert found.sentence.startswith("no difference that these photos can show: B 88.9% against A 85.7%")
    assert found.difference.low < 0 < found.difference.high
    (alike,) = corrected([pair(9, 0, 0, 1)])
    assert (alike.p, alike.better) == (1.0, None)


def test_the_interval_of_the_difference_is_that_of_paired_photos() -> None:
    """Standard error of a paired difference: sqrt(b + c - (c - b)^2 / n) / n."""
    found = pair(1288, 30, 61, 87)
    error = (91 - 31**2 / 1466) ** 0.5 / 1466
    assert found.difference.high - found.difference.low == pytest.approx(2 * 1.96 * error, rel=0.1)


@settings(max_examples=50)
@given(counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6))
def test_holms_correction_is_the_one_of_the_book(counts: list[tuple[int, int]]) -> None:
    from training.evaluation.compare import corrected

    found = corrected([pair(20, a, b, 5) for a, b in counts])
    plain = sorted(one.p for one in found)
    book = [max(min(1, (len(plain) - n) * p) for n, p in enumerate(plain[: rank + 1])) for rank in range(len(plain))]
    assert sorted(one.p_holm for one in found) == pytest.approx(book)
    assert all((one.better is not None) == (one.p_holm < 0.05) for one in found)


def test_classes_that_differ_most_come_first() -> None:
    found = pair(4, 0, 4, 0)  # left: both right; right: only B
    assert [(one.label, one.images, one.a, one.b) for one in found.classes] == [
        ("right", 4, 0.0, 1.0), ("left", 4, 1.0, 1.0),
    ]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", per_class=5)


def test_runs_without_an_evaluation_get_one_and_a_present_one_is_read(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a, b = write_run(tmp_path / "a", data), write_run(tmp_path / "b", data, seed=1)
    evaluated: set[str] = set()
    found = compare([a, b], on_progress=lambda run, _done, _total: evaluated.add(run))
    assert evaluated == {"a", "b"}
    assert (found.split, found.images, found.notes) == ("validation", 15, ())
    (only,) = found.pairs
    assert only.both + only.only_a + only.only_b + only.neither == 15
    shares = [json.loads((run / "evaluation/validation/evaluation.json").read_text())["top1"] for run in (a, b)]
    assert [one.top1.model_dump() for one in found.runs] == shares
    evaluated.clear()
    again = compare([b, a], on_progress=lambda run, _done, _total: evaluated.add(run))
    assert evaluated == set()
    assert (again.pairs[0].only_a, again.pairs[0].only_b) == (only.only_b, only.only_a)


def test_an_evaluation_of_other_weights_is_made_anew(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a, b = write_run(tmp_path / "a", data), write_run(tmp_path / "b", data, seed=1)
    compare([a, b])
    c = write_run(tmp_path / "c", data, seed=2)
    shutil.copytree(a / "evaluation", c / "evaluation")
    evaluated: set[str] = set()
    compare([a, c], on_progress=lambda run, _done, _total: evaluated.add(run))
    assert evaluated == {"c"}


def test_only_photos_common_to_all_evaluations_are_compared(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a = write_run(tmp_path / "a", data)
    b = write_run(tmp_path / "b", data, seed=1, test_from=3)  # its validation photos are 9 of the 15
    found = compare([a, b])
    assert found.images == 9
    assert [one.images for one in found.runs] == [15, 9]
    assert "only the 9 photos common to all evaluations are compared (of a 15, b 9)." in found.notes
    other = write_run(tmp_path / "c", write_photos(tmp_path / "others", first=50))
    with pytest.raises(WrongInput, match="a and c share no validation photo"):
        compare([a, other])


def test_runs_that_share_no_photo_can_be_compared_on_those_of_a_person(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a = write_run(tmp_path / "a", data)
    other = write_run(tmp_path / "c", write_photos(tmp_path / "others", first=50), seed=1)
    given = write_photos(tmp_path / "given", per_class=2, first=90)
    found = compare([a, other], data=given)
    assert (found.split, found.images) == (str(given), 6)


def test_classes_in_another_order_are_the_same_classes(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a = write_run(tmp_path / "a", data)
    b = write_run(tmp_path / "b", data, classes=("jade", "slate", "amber"))
    assert compare([a, b]).images == 15


def test_auto_reads_a_test_split_only_if_it_was_read_already(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare
    from training.evaluation.evaluate import evaluate

    runs = [write_run(tmp_path / name, data, seed=seed, test_from=3) for seed, name in enumerate("ab")]
    assert compare(runs).split == "validation"
    for run in runs:
        evaluate(run, split="test")
    found = compare(runs)
    assert (found.split, found.images) == ("test", 6)
    assert "these are test photos" in found.notes[-1]


def test_three_runs_are_three_pairs(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    runs = [write_run(tmp_path / name, data, seed=seed) for seed, name in enumerate("abc")]
    found = compare(runs)
    assert [(one.a, one.b) for one in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert "corrected for 3 comparisons" in found.notes[-1]
    assert all(one.p_holm >= one.p for one in found.pairs)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_less_than_two_runs_are_nothing_to_compare(data: Path, tmp_path: Path, count: int) -> None:
    from training.evaluation.compare import compare

    run: Any = write_run(tmp_path / "a", data)
    with pytest.raises(WrongInput, match="Two or more runs"):
        compare([run] * count)


def test_runs_whose_folders_have_the_same_name_are_named_by_their_paths(tmp_path: Path) -> None:
    from training.evaluation.compare import names_of

    assert names_of([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert names_of([tmp_path / "x" / "run", tmp_path / "y" / "run"]) == [
        str(tmp_path / "x" / "run"), str(tmp_path / "y" / "run"),
    ]  # fmt: skip


def test_a_comparison_on_photos_of_a_person_has_its_page(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation.compare import compare
    from training.report.comparison import write_comparison

    runs = [write_run(tmp_path / name, data, seed=seed) for seed, name in enumerate("ab")]
    given = write_photos(tmp_path / "elsewhere" / "test", per_class=2, first=90)
    monkeypatch.chdir(given.parent)
    for address in (given, "test"):
        found = compare(runs, data=address)
        assert found.split == str(given)
        assert write_comparison(found, runs, tmp_path / "page.html").read_text(encoding="utf-8").count("<h3>") > 0
    assert not any("these are test photos" in note for note in found.notes)


def test_a_note_says_that_a_run_which_learnt_the_photos_is_favoured(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a, b = write_run(tmp_path / "a", data), write_run(tmp_path / "b", data, seed=1)
    with (a / "split.csv").open("a+", encoding="utf-8") as file:
        file.seek(0)
        file.writelines([line.replace("validation,", "train,", 1) for line in file.readlines()[1:5]])
    assert "a has learnt 4 of these 15 photos: it is favoured." in compare([a, b]).notes


def test_a_note_says_that_fewer_classes_are_easier(data: Path, tmp_path: Path) -> None:
    from training.evaluation.compare import compare

    a = write_run(tmp_path / "a", data)
    b = write_run(tmp_path / "b", data, classes=("amber", "jade", "olive", "slate"))
    (note,) = compare([a, b]).notes
    assert note.startswith("the runs have different classes (a 3, b 4)")


@pytest.mark.parametrize("count", [1, 200])
def test_photos_without_a_difference_are_no_certainty(count: int) -> None:
    alike = pair(count, 0, 0, 0).difference
    assert alike.low < 0 < alike.high
    assert alike.high == pytest.approx(1.96 * (2 / (count + 2) ** 2) ** 0.5)
    all_one_way = pair(0, 0, count, 0).difference
    assert all_one_way.low < 1
    assert (all_one_way.value, all_one_way.high) == (1, 1)
