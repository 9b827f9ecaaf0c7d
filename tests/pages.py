"""Pages under test: a board in a browser, with everything it complained of or asked the network for."""

import shutil

from records import GPU, board, make

from harness.board import make as make_board
from harness.records import record_name, write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 420, "height": 900}
PLOTS = ("by-sparsity", "by-flops", "by-seconds", "exploration", "run-score", "run-density")


def write_board(folder, records):
    for each in records:
        write(each, folder / "records" / record_name(each))
    make_board(folder / "records", folder)
    return folder / "leaderboard.html"


def everything(folder):
    """Write a board of two tasks with every method, lost seeds and failures; return its page."""
    cifar = {"dataset": "cifar10", "model": "resnet50_cifar", "recipe": "cifar"}
    records = [
        *board(runner="docker"),
        *board(sparsities=(0.9, 0.95), runner="docker", gpu=GPU, **cifar),
        make("rigl", 0.95, 3, gpu=GPU, runner="docker"),
        make("set", 0.9, 3, status="diverged", runner="docker"),
        make("static", 0.95, 4, status="timeout", runner="docker"),
    ]
    return write_board(folder, records)


class Opened:
    """A page under test, with everything it complained of or asked the network for."""

    def __init__(self, browser, path, viewport=WIDE, scheme="light", touch=False):
        self.context = browser.new_context(
            viewport=viewport, color_scheme=scheme, accept_downloads=False, has_touch=touch, is_mobile=touch
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # CI machines can be slow; what is waited for is not timed
        self.trouble, self.requests = [], []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def drawn(self, plot):
        self.page.wait_for_selector(f"#{plot} svg")
        return self.page.locator(f"#{plot} svg").first

    def column(self, name):
        place = self.page.locator("#board th").all_inner_texts().index(name)
        return self.page.locator(f"#board tbody td:nth-child({place + 1})").all_inner_texts()


OVERLAPS = """() => {
    const shown = [...document.querySelectorAll(".plot svg text")]
        .filter((text) => text.textContent.trim() && text.checkVisibility({ opacityProperty: true }));
    const boxes = shown.map((text) => [text.textContent, text.getBoundingClientRect(), text.closest(".plot")]);
    const across = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = (a, b) => Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return boxes.flatMap(([name, a, plot], i) => boxes.slice(i + 1)
        .filter(([, b, other]) => plot === other && across(a, b) > 1 && down(a, b) > 1)
        .map(([other]) => `${plot.id}: ${name} over ${other}`));
}"""
