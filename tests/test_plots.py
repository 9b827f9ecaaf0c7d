"""The front, the looks of methods, and README's picture."""

from boards import of
from hypothesis import given
from hypothesis import strategies as st
from records import METHODS, board, make

from harness.board.page import data as page_data
from harness.board.page import looks, picture
from harness.board.pareto import front
from methods import methods

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(POINTS)
def test_the_front_is_what_nothing_beats(points):
    def beaten(cost, accuracy):
        return any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points)

    assert front(points) == [not beaten(*point) for point in points]


def test_every_method_looks_different_and_its_variants_share_its_colour():
    given_looks = looks.give([(name, name) for name in METHODS])
    assert len({(look["color"], look["shape"], look["filled"]) for look in given_looks.values()}) == len(METHODS)
    variants = looks.give([("set [delta_t=100]", "set"), ("set [delta_t=900]", "set"), ("mine", "mine")])
    assert variants["set [delta_t=100]"]["color"] == given_looks["set"]["color"]
    assert variants["mine"]["color"] not in {look["color"] for look in given_looks.values()}
    assert len({(look["color"], look["shape"]) for look in variants.values()}) == 3


def test_every_method_is_told_apart_without_colour():
    given_looks = looks.give([(name, name) for name in METHODS])
    assert len({(look["shape"], look["filled"]) for look in given_looks.values()}) == len(METHODS)
    assert "diamond" not in looks.SHAPES  # it means a published number
    for one, other in (("set", "set_itop"), ("rigl", "rigl_itop"), ("granet", "granet_s0"), ("gmp", "gmp_uniform")):
        assert given_looks[one]["shape"] == given_looks[other]["shape"]
        assert given_looks[one]["filled"]
        assert not given_looks[other]["filled"]
        assert given_looks[one]["dash"] != given_looks[other]["dash"]


def test_no_two_registered_methods_look_alike_even_without_colour():
    """A shape that is not in `SHAPES` would be replaced by a spare one."""
    names = list(methods())
    given_looks = looks.give([(name, name) for name in names])
    assert len({(look["shape"], look["filled"]) for look in given_looks.values()}) == len(names) >= 28
    assert {name: look["shape"] for name, look in given_looks.items()} == {
        name: method.look.shape for name, method in methods().items()
    }


def test_a_variant_never_looks_like_another_method():
    variants = [(f"set [delta_t={number}]", "set") for number in range(6)]
    given_looks = looks.give([*((name, name) for name in methods()), *variants])
    assert len({(look["shape"], look["filled"]) for look in given_looks.values()}) == len(given_looks)


def test_every_method_is_described_for_the_page():
    assert looks.about("set").startswith("Drops the smallest weights")
    assert looks.about("set").endswith("(Mocanu et al. 2018, arXiv:1707.04780)")
    assert looks.about("granet_s0") != looks.about("granet")
    assert "not registered" in looks.about("mine")


def test_every_method_has_a_look_that_can_be_drawn():
    assert set(METHODS) <= set(methods())
    for name in METHODS:
        assert methods()[name].look.shape in looks.SHAPES, name


def test_a_method_without_a_look_gets_a_spare_one(monkeypatch):
    monkeypatch.setattr(type(methods()["set"]), "look", None)
    look = looks.give([("set", "set"), ("rigl", "rigl")])["set"]
    assert look["shape"] in looks.SHAPES
    assert look["color"] not in {made.look.color for made in methods().values() if made.look}


def test_a_name_cannot_put_markup_or_control_characters_into_the_picture():
    odd = make("set", 0.9, 0)
    odd["method"] = "</svg><script>alert(1)</script>\x00\u202e"
    drawn = picture.pareto(of([odd]))
    assert "<script" not in drawn
    assert r"\u0000\u202e" in drawn


def test_the_picture_for_readme_names_the_task_and_every_method():
    drawn = picture.pareto(of(board()))
    assert drawn.startswith("<svg")
    for words in ("digits · convnet", "Pareto front", "The front, cheapest first: ", *METHODS):
        assert words in drawn


def test_without_results_the_picture_says_so():
    assert "No results yet" in picture.pareto(of([make("set", 0.9, 0, status="failed")]))


def test_the_page_opens_on_the_task_with_the_most_runs():
    few, many = [make("set", 0.9, 0, dataset="a")], board(seeds=(0,), dataset="b")
    assert page_data.data(of(few + many), "records")["start"] == 1


def test_long_curves_are_thinned_with_their_ends_kept():
    long = make("set", 0.9, 0)
    long["curve"] = [{**long["curve"][0], "step": step} for step in range(1, 1001)]
    steps = next(iter(page_data.data(of([long]), "records")["curves"].values()))[0]
    assert len(steps) == 40
    assert (steps[0], steps[-1]) == (1, 1000)
