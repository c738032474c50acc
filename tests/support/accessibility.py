"""Checks a page in the browser for accessibility: by axe-core, and by the width of the screen."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text()

#: WCAG 2.2 AA, and what its authors call best practice.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong, a line each with the element."""
    # As the browser's own tools do, which no policy of the page forbids.
    page.evaluate(_AXE + ";undefined")
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", _TAGS
    )
    return [
        f"{each['id']}: {node['target']} {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """The elements that make the page scroll sideways, other than in a box of their own."""
    found: list[str] = page.evaluate(
        """() => {
          const wide = document.documentElement.scrollWidth > innerWidth;
          if (!wide) return [];
          const boxed = each => {
            for (let box = each.parentElement; box; box = box.parentElement)
              if (getComputedStyle(box).overflowX !== "visible") return true;
            return false;
          };
          return [...document.querySelectorAll("body *")]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !boxed(each))
            .slice(0, 5)
            .map(each => each.outerHTML.slice(0, 160));
        }"""
    )
    return found
