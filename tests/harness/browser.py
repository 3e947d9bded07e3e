"""Pages in headless Chromium."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.install import needs


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Selenium's, or a skip that says what to install."""
    selenium = needs("selenium.webdriver")
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(programs[1]))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: Any, file: Path, width: int, touch: bool = False, **media: str) -> None:
    """Opens a page in a window of some width; media features are named with underscores."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": touch}
    features = [{"name": key.replace("_", "-"), "value": value} for key, value in media.items()]
    for command, options in (
        ("setDeviceMetricsOverride", size),
        ("setTouchEmulationEnabled", {"enabled": touch}),
        ("setEmulatedMedia", {"features": features}),
    ):
        driver.execute_cdp_cmd(f"Emulation.{command}", options)
    for log in ("browser", "performance"):
        driver.get_log(log)  # what came before is dropped
    driver.get(file.as_uri())


def check_quiet(driver: Any, file: Path) -> None:
    """Since it was shown, the page has logged nothing and asked for nothing but itself."""
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert asked - {"data:,"} == {file.as_uri()}


def check_fits(driver: Any) -> None:
    """There is nothing to scroll to on the right."""
    room, used = driver.execute_script(
        "const root = document.documentElement; return [root.clientWidth, root.scrollWidth]"
    )
    assert used == room


CONTRASTS = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = channels(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const solid = (colour) => colour !== "none" && channels(colour)[3] !== 0;
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const style = getComputedStyle(at.tagName === "g" ? at.querySelector("rect") : at);
    const colour = at.tagName === "g" ? style.fill : style.backgroundColor;
    if (solid(colour)) return colour;
  }
};
const said = (node) => node.matches("input[type=number], select")
  || [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
return [...document.body.querySelectorAll("*")]
  .filter((node) => !node.matches("script, title, option, .growth *") && node.checkVisibility() && said(node))
  .map((node) => {
    const style = getComputedStyle(node);
    const pair = [light(node.matches("svg text") ? style.fill : style.color), light(behind(node))];
    return [node.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
  });
"""


def check_contrast(driver: Any, least: float = 4.5) -> None:
    """Each text that is seen stands out from what is behind it, by the formula of WCAG 2."""
    found = driver.execute_script(CONTRASTS)
    assert len(found) > 20
    low = [(text, ratio) for text, ratio in found if ratio < least]
    assert not low, low
