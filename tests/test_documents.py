"""The documents as a whole: links lead somewhere, and snippets are Python."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*).*?\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def name_of(page):
    return str(page.relative_to(ROOT))


def anchors_of(page):
    """The anchors that GitHub gives a page's headings."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links_of(page):
    """The links of a page to files of the repository."""
    targets = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return [target for target in targets if not target.startswith(("http://", "https://", "mailto:"))]


def snippets_of(page):
    """The Python blocks of a page, without those that are doctests."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for _, language, text in blocks if language == "python" and not text.lstrip().startswith(">>>")]


def parses(text):
    """Whether a snippet is Python, `await` at its top included."""
    try:
        compile(textwrap.dedent(text), "snippet", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    broken = []
    for target in links_of(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", [page for page in PAGES if snippets_of(page)], ids=name_of)
def test_snippets_are_python(page):
    assert not [text for text in snippets_of(page) if not parses(text)]


def test_every_page_is_found_from_the_readme():
    found, pending = set(), [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        if page in found:
            continue
        found.add(page)
        links = [(page.parent / target.partition("#")[0]).resolve() for target in links_of(page)]
        pending += [link for link in links if link.suffix == ".md" and link.exists()]
    assert set(PAGES) <= found
