"""The page that evaluation writes: what it says, and how a browser shows it.

The browser is Chromium, found by name or through EMURL_CHROMIUM. Its screenshots are kept in
runs/screenshots, to be looked at.
"""

import base64
import html
import io
import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect, sync_playwright

import evaluate_policy
import train_with_cnn_reward
from games.game import BUNDLED_ROM, ROOT
from report.figures import learning_curves, running_mean
from report.page import COLUMNS, read_rows, read_runs, sheet
from tests.tiny_training import ppo_args, write_ppo_artefacts

SCREENSHOTS = ROOT / "runs" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("EMURL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="THE PAGE WAS NOT OPENED: no Chromium, set EMURL_CHROMIUM to one"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trainings with seeds of their own."""
    folder = tmp_path_factory.mktemp("report")
    artefacts = write_ppo_artefacts(folder)
    folders = [folder / "seed0", folder / "seed1"]
    for seed, out in enumerate(folders):
        args = ppo_args(artefacts, out, seed=seed, snapshots=2, num_steps=16)
        train_with_cnn_reward.main(args)
    return folders


@pytest.fixture(scope="module")
def args(trained, tmp_path_factory):
    return evaluate_policy.Args(
        policy=trained[0] / "policy_final.pkl",
        rom=BUNDLED_ROM,
        steps=45,
        episodes=3,
        runs=tuple(trained),
        checkpoints=(str(trained[0] / "policy_0*.pkl"),),
        out=tmp_path_factory.mktemp("evaluation"),
        device="cpu",
    )


@pytest.fixture(scope="module")
def results(args):
    return evaluate_policy.main(args)


@pytest.fixture(scope="module")
def page(args, results):
    return (args.out / "report.html").read_text()


def test_the_page_stands_alone(page):
    assert len(page) < 10e6
    sources = re.findall(r'(?:src|href|action)="([^"]*)"', page) + re.findall(r"url\(([^)]*)", page)
    assert len(sources) > 20 and all(re.match("data:|#", source) for source in sources)
    assert not re.search("@import|fetch\\(|XMLHttp", page)


def test_the_page_says_what_was_measured(page, results, trained):
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))
    for agent in (results[name] for name in ("trained", "random", "masher")):
        low, high = agent["milestones_interval"]
        assert f"{agent['milestones_mean']:.2f} {low:.2f}–{high:.2f}" in text
    for name, found in results["trained"]["milestones"].items():
        share = f"{100 * found['share_of_episodes']:.0f}%, step"
        assert re.search(rf"\d+\. {name} {share if found['share_of_episodes'] else 'never'}", text)
    provenance = results["provenance"]
    for told in (provenance["command"], provenance["revision"], "patience_steps", "seed0", "seed1"):
        assert told in text, told
    assert page.count("<canvas") == 3


def test_kept_policies_are_played_once(args, results, monkeypatch, tmp_path):
    assert [kept["iteration"] for kept in results["checkpoints"]] == [2, 4]
    assert all(len(kept["milestones_per_episode"]) == 3 for kept in results["checkpoints"])
    played = []
    play = evaluate_policy.play
    monkeypatch.setattr(
        evaluate_policy, "play", lambda *given: played.append(given[-1]) or play(*given)
    )
    shutil.copy(args.out / "checkpoints.json", tmp_path)
    args = replace(args, out=tmp_path)
    again = evaluate_policy.main(args)
    assert played == ["trained", "random", "masher"]
    assert again["checkpoints"] == results["checkpoints"]
    played.clear()
    evaluate_policy.main(replace(args, steps=30))
    assert len(played) == 5


def test_what_is_not_there_is_said(args, tmp_path):
    with pytest.raises(ValueError, match=r"expected policies at nothing\*, found none"):
        evaluate_policy.main(replace(args, checkpoints=("nothing*",)))
    with pytest.raises(ValueError, match=r"expected a training's metrics in .*metrics.jsonl"):
        evaluate_policy.main(replace(args, runs=(tmp_path,)))
    (tmp_path / "metrics.jsonl").write_text('{"env_steps": 8}\n{"env_st')
    assert read_rows(tmp_path) == [{"env_steps": 8}]
    (tmp_path / "metrics.jsonl").write_text("[]\n")
    with pytest.raises(ValueError, match="expected a training's figures"):
        read_runs([tmp_path])
    shutil.copy(args.policy, tmp_path)
    for path in args.policy.parent.glob("path_*.pkl"):
        shutil.copy(path, tmp_path)
    own = replace(args, policy=tmp_path / args.policy.name, runs=(), checkpoints=(), steps=4)
    evaluate_policy.main(replace(own, out=tmp_path / "out"))  # not asked for: a note
    assert "Milestones of training" not in (tmp_path / "out" / "report.html").read_text()


def test_a_game_without_milestones_has_a_page(args, tmp_path, monkeypatch):
    find = evaluate_policy.find_game
    monkeypatch.setattr(evaluate_policy, "find_game", lambda rom: replace(find(rom), milestones=()))
    evaluate_policy.main(replace(args, steps=10, out=tmp_path, runs=(), checkpoints=()))
    page = (tmp_path / "report.html").read_text()
    assert "A game without known milestones" in page and "Compared" not in page


def test_names_are_shown_as_they_are(trained, args, tmp_path):
    """As of folders that are called like tags, or mathematics."""
    names = ['a"><script>alert(1)</script>&', "x $a$ $\\foo$", "_hidden", "n" * 120]
    folders = [tmp_path / name.replace("/", "∕") for name in names]
    for folder in folders:
        folder.mkdir()
        shutil.copy(trained[0] / "metrics.jsonl", folder)
    drawn = learning_curves(read_runs(folders), 16)
    assert drawn.count("<path") > 4 and "<script" not in drawn
    told = replace(args, runs=tuple(folders), checkpoints=(), steps=4, out=tmp_path / "out")
    evaluate_policy.main(told)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    for folder in folders:
        assert html.escape(folder.name) in page or folder.name in html.unescape(page)


def test_a_policy_of_before_has_a_page(args, tmp_path):
    """It does not say with what it was trained, nor where agents were."""
    policy = torch.load(args.policy, weights_only=True)
    for name in ("visits", "settings", "provenance"):
        del policy[name]
    torch.save(policy, tmp_path / "policy.pkl")
    for path in args.policy.parent.glob("path_*.pkl"):
        shutil.copy(path, tmp_path)
    told = replace(args, policy=tmp_path / "policy.pkl", runs=(), checkpoints=(), steps=4)
    evaluate_policy.main(replace(told, out=tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Filled: in training" not in page and "Training, its last sitting" not in page


def test_a_sheet_keeps_every_pixel():
    rng = np.random.default_rng(0)
    for shades in ([0, 85, 170, 255], np.arange(9) * 20, np.arange(256)):
        pictures = [rng.choice(shades, (6, 8)).astype(np.uint8) for _ in range(COLUMNS + 3)]
        content = base64.b64decode(sheet(pictures).partition(",")[2])
        whole = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
        assert whole.shape == (12, COLUMNS * 8)
        for i, picture in enumerate(pictures):
            row, column = divmod(i, COLUMNS)
            assert (whole[6 * row : 6 * row + 6, 8 * column : 8 * column + 8] == picture).all()


def test_a_running_mean_is_of_what_came_before():
    assert running_mean(np.array([1.0, 3, 5, 7]), 2).tolist() == [1, 2, 4, 6]


@needs_chromium
@pytest.mark.parametrize("width, scheme", [(360, "dark"), (360, "light"), (1280, "light")])
def test_a_browser_shows_it(args, page, width, scheme):
    errors = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("request", lambda request: errors.append(request.url[:80]) if is_far(request) else 0)
        tab.goto((args.out / "report.html").as_uri())
        tab.wait_for_function("[...document.querySelectorAll('output')].every(o => o.textContent)")

        # What lies beyond a figure's axes is clipped.
        too_wide = """[...document.querySelectorAll('body *:not(svg *), svg text')].filter(
            (e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML)"""
        assert tab.evaluate(too_wide) == []
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        images = "[...document.images].map((i) => i.complete && i.naturalWidth > 0)"
        decoded = tab.evaluate(images)
        assert len(decoded) > 10 and all(decoded)
        embedded = "[...document.querySelectorAll('svg image')].map((i) => i.getBBox().width)"
        assert len(strip := tab.evaluate(embedded)) == 4 and all(strip)

        player = tab.locator(".player").filter(has=tab.locator("button[data-step]")).first
        slider, output, button = (player.locator(s) for s in ("input", "output", "[data-step]"))
        button, shown = button.first, "player => player.querySelector('canvas').toDataURL()"
        before = player.evaluate(shown)
        slider.press("End")
        assert "step 44: " in output.inner_text() and player.evaluate(shown) != before
        slider.press("ArrowLeft")
        assert "step 43: " in output.inner_text() and "probability 0." in output.inner_text()
        button.click()
        data = json.loads(player.locator("script").inner_text())
        step = int(button.get_attribute("data-step"))
        assert f"step {step}: {data['buttons'][data['actions'][step]]}" in output.inner_text()
        slider.press("Home")
        player.locator(".play").click()
        expect(output).not_to_contain_text("step 0: ")  # it goes on by itself

        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper))) > 384) == (scheme == "light")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=SCREENSHOTS / f"report_{width}_{scheme}.png", full_page=True)
        tab.emulate_media(media="print")
        assert not tab.locator(".live").first.is_visible()
        assert tab.locator(".stills").first.is_visible()
        browser.close()
    assert errors == []


def is_far(request) -> bool:
    """Say whether a request would leave the file."""
    return not request.url.startswith(("data:", "file:", "blob:"))
