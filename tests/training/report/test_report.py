"""The report is complete and honest; it fetches nothing, and runs nothing of a stranger's."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.training.report.folders import COLOURS, made_run

pytestmark = pytest.mark.torch

CLAIM = {"metric": "top1", "value": 0.99, "photos": "the test photos", "source": "a talk"}
ATTACKS = ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'|$\\alpha$ {{ 7*7 }}", "_slate & co")
EMPTY = {"img", "meta", "br", "input", "use", "path", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data

    def fetched(self) -> list[str]:
        """Every address that is not inside of the page."""
        names = ("src", "href", "xlink:href", "srcset", "action", "data")
        addresses = [str(attrs[name]) for _, attrs in self.elements for name in names if name in attrs]
        return [address for address in addresses if not address.startswith(("#", "data:image/jpeg;base64,"))]


def report_of(run: Path, split: str = "validation") -> str:
    from training.report.report import write_report

    path = write_report(run, split)
    assert path == run / "evaluation" / split / "report.html"
    return path.read_text(encoding="utf-8")


def words_of(text: str) -> str:
    return " ".join(Page(text).text.split())


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report_of(made_run(tmp_path_factory.mktemp("ordinary"), config={"claim": CLAIM}))


def test_the_page_is_whole_and_fetches_nothing(ordinary: str) -> None:
    page = Page(ordinary)
    assert page.open == []
    assert page.fetched() == []
    assert not [address for address in re.findall(r"url\(([^)]*)\)|@import", ordinary) if not address.startswith("#")]
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    policy = next(attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_every_part_is_there(ordinary: str) -> None:
    parts = {attrs["id"] for tag, attrs in Page(ordinary).elements if tag == "h2"}
    assert parts == {
        "curves",
        "confusion",
        "classes",
        "ranking",
        "calibration",
        "drawn",
        "mistakes",
        "data",
        "settings",
    }
    assert ordinary.count("<svg") == 4 + 2 + 2 + 1


def test_figures_have_intervals_and_say_whether_photos_were_held_out(ordinary: str) -> None:
    words = words_of(ordinary)
    assert re.search(r"top-1 ?\d+\.\d % ?95 % interval: \d+\.\d to \d+\.\d %", words)
    assert "evaluated on 12 validation photos" in words
    assert (
        "The kept checkpoint (epoch 2, by top-1), the temperature and the uncertainty threshold were chosen on these"
        in words
    )


def test_a_claim_stands_beside_what_was_measured(ordinary: str) -> None:
    words = words_of(ordinary)
    assert "✗ Claim not met. Claimed: top-1 99.00 % on the test photos (a talk). Measured here, on the" in words
    assert re.search(r"on the 12 validation photos of this run: \d+\.\d\d % \(95 % interval", words)


def test_a_bend_in_the_curves_at_the_end_of_augmentation_is_explained(tmp_path: Path) -> None:
    ends = {"epochs": 3, "rotation": 15, "cutmix": 1.0, "augment_off_epochs": 2, "mix_off_epochs": 1}
    words = words_of(report_of(made_run(tmp_path, config=ends)))
    assert "From epoch 2 on they are only cropped, shifted and flipped. From epoch 3 on they are not mixed." in words


@pytest.mark.parametrize("without", [{"rotation": 0}, {"augment_off_epochs": 0}, {"epochs": 9}])
def test_what_did_not_end_is_not_mentioned(tmp_path: Path, without: dict[str, object]) -> None:
    ends = {"epochs": 3, "rotation": 15, "augment_off_epochs": 2, "mix_off_epochs": 1}
    assert "From epoch" not in words_of(report_of(made_run(tmp_path, config={**ends, **without})))


def test_test_photos_are_called_held_out(tmp_path: Path) -> None:
    words = words_of(report_of(made_run(tmp_path, split="test"), "test"))
    assert "were chosen on validation photos; these test photos were held out." in words
    assert "Out-of-sample: the model learnt from none of these photos" in words


def test_photos_that_were_learnt_from_are_called_in_sample(tmp_path: Path) -> None:
    words = words_of(report_of(made_run(tmp_path, split="train"), "train"))
    assert "In-sample: the model learnt from these photos" in words
    assert "12 photos of these 12 are training photos." in words


def test_strangers_words_are_shown_and_do_not_run(tmp_path: Path) -> None:
    run = made_run(tmp_path, classes=ATTACKS, config={"model_args": {"x": "</pre><script>alert(2)</script>"}})
    (run / "unreadable.csv").write_text("path,code,reason\n<b onclick=x>.jpg,unreadable,<iframe src=//evil>\n")
    text = report_of(run)
    page = Page(text)
    assert page.open == []
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not {tag for tag, _ in page.elements} & {"iframe", "b onclick=x"}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert page.fetched() == []
    for label in ATTACKS:
        assert label in page.text


def test_a_photo_that_is_gone_or_changed_leaves_a_tile_that_says_so(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    (tmp_path / "photos" / "0000.png").unlink()
    (tmp_path / "photos" / "0001.png").write_bytes(b"another picture")
    words = words_of(report_of(run))
    assert "The photo is gone." in words
    assert "The file was changed." in words


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    assert report_of(run) == report_of(run)


def test_many_classes_show_the_confused_part_and_stay_small(tmp_path: Path) -> None:
    text = report_of(made_run(tmp_path, classes=[f"breed {number}" for number in range(133)], per_class=2))
    assert len(text) < 5_000_000
    assert "most confused of 133 classes" in words_of(text)
    assert text.count("<svg") == 9


def test_a_model_without_a_mistake_has_none_to_explain(tmp_path: Path) -> None:
    words = words_of(report_of(made_run(tmp_path, wrong=0.0)))
    assert "There is no wrong prediction to explain." in words
    assert "suspects none of these labels" in words


def test_a_model_of_two_classes_with_one_photo_each_has_a_report(tmp_path: Path) -> None:
    words = words_of(report_of(made_run(tmp_path, classes=("amber", "jade"), per_class=1)))
    assert "2 classes, evaluated on 2 validation photos" in words
    assert "always naming the largest class: 50.0 %" in words
    assert "mean of 2 classes (1.000)" in words


def test_without_an_evaluation_it_says_how_to_make_one(tmp_path: Path) -> None:
    from training.errors import TrainingError
    from training.report.report import write_report

    with pytest.raises(TrainingError, match=r"Run `podium evaluate .* --split test` first"):
        write_report(made_run(tmp_path), "test")


def test_scores_of_another_evaluation_are_refused(tmp_path: Path) -> None:
    from training.errors import TrainingError
    from training.report.report import write_report

    run = made_run(tmp_path)
    photos = run / "evaluation" / "validation" / "photos.csv"
    photos.write_text("\n".join(photos.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(TrainingError, match=r"photos\.csv names 11"):
        write_report(run, "validation")


def test_a_comparison_shows_the_photos_that_only_one_run_has_right(tmp_path: Path) -> None:
    from training.evaluation.compare import compare
    from training.report.report import write_comparison

    runs = [made_run(tmp_path / name, per_class=10, wrong=wrong) for name, wrong in (("<i>", 0.0), ("b", 0.7))]
    found = compare(runs, "validation")
    text = write_comparison(found, runs, tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    page, words = Page(text), words_of(text)
    assert page.open == []
    assert page.fetched() == []
    assert "i" not in {tag for tag, attrs in page.elements if not attrs}
    assert f"Only {found.pairs[0].a} is right" in words
    assert "Chance alone rarely makes such a difference" in words
    assert text.count("<svg") == 3
    assert all(label in words for label in COLOURS)


def test_a_claim_inside_of_the_interval_is_neither_met_nor_missed(tmp_path: Path) -> None:
    text = report_of(made_run(tmp_path, wrong=0.0, config={"claim": {**CLAIM, "value": 0.95}}))
    assert "Claim neither met nor missed." in words_of(text)
    assert "these photos cannot tell the two apart" in words_of(text)
    assert '<p class="note met">' not in text


def test_a_few_photos_that_were_learnt_from_make_it_partly_in_sample(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    lines = (run / "split.csv").read_text().splitlines()
    (run / "split.csv").write_text("\n".join([*lines, lines[1].replace("validation,", "train,", 1)]) + "\n")
    assert "Partly in-sample: the model learnt from 1 of these 12." in words_of(report_of(run))


def test_photos_that_none_reach_the_threshold_do_not_make_the_model_unsure_of_all(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    model = run / "model.json"
    facts = model.read_text()
    model.write_text(facts.replace('"threshold": 0.6', '"threshold": 1.0'))
    words = words_of(report_of(run))
    assert "None of these photos reaches the threshold of 100.0 %" in words
    assert "No threshold made predictions" not in words
    model.write_text(facts.replace('"coverage": 0.7', '"coverage": 0.0'))
    assert "No threshold made predictions 90 % right on the validation photos" in words_of(report_of(run))


def test_names_of_photos_that_are_no_text_are_spelled(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    for path in (run / "split.csv", run / "evaluation" / "validation" / "photos.csv"):
        path.write_bytes(path.read_bytes().replace(b"0001.png", b"b\xff.png").replace(b"train/0.png", b"\xff.png"))
    (run / "unreadable.csv").write_bytes(b"path,code,reason\nc\xff.jpg,empty,The file is empty.\n")
    words = words_of(report_of(run))
    assert "c\ufffd.jpg" in words


def test_without_a_mistake_no_table_of_the_most_confused_is_shown(tmp_path: Path) -> None:
    run = made_run(tmp_path, classes=[f"breed {number}" for number in range(41)], per_class=1, wrong=0.0)
    words = words_of(report_of(run))
    assert "most confused of" not in words
    assert "The model confuses none of the 41 classes on these photos." in words
